# The second-order cell of DARTS on CIFAR-10, trained as CDARTS' cell.
_base_ = './cdarts-net_cifar10.py'
model = dict(backbone=dict(arch='darts_v2'))
optim_wrapper = dict(optimizer=dict(weight_decay=3e-4))  # of networks below 3.5 M parameters
