# EoiNAS on CIFAR-10 (Section IV-C): the recipe of the other cells with its weight decay. Its
# authors' code has batches of 64 and, by default, the cell eoinas_gnas_2.
_base_ = './cdarts-net_cifar10.py'
model = dict(backbone=dict(arch='eoinas_cifar10'))
optim_wrapper = dict(optimizer=dict(weight_decay=3e-4))
