# The cell of P-DARTS on CIFAR-10, trained as CDARTS' cell.
_base_ = './cdarts-net_cifar10.py'
model = dict(backbone=dict(arch='pdarts'))
optim_wrapper = dict(optimizer=dict(weight_decay=3e-4))  # of networks below 3.5 M parameters
