# The cell of PC-DARTS on CIFAR-10, trained as CDARTS' cell.
_base_ = './cdarts-net_cifar10.py'
model = dict(backbone=dict(arch='pcdarts_cifar10'))
