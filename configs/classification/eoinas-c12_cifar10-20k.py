# The cell that EoiNAS prints for CIFAR-10 in a small network, trained as pp-resnet20_cifar10-20k.py.
_base_ = './cdarts-c12_cifar10-20k.py'
model = dict(backbone=dict(arch='eoinas_cifar10'))
