_base_ = './cdarts_cifar10.py'
model = dict(backbone=dict(arch='pcdarts_cifar10'))
