_base_ = './cdarts_cifar10.py'
model = dict(backbone=dict(arch='darts_v1'))
