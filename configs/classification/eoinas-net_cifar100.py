# EoiNAS' cell of CIFAR-10 on CIFAR-100 (Section IV-C).
_base_ = './cdarts-net_cifar100.py'
model = dict(backbone=dict(arch='eoinas_cifar10'))
optim_wrapper = dict(optimizer=dict(weight_decay=3e-4))
