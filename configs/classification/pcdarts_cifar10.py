_base_ = './cdarts-net_cifar10.py'
model = dict(backbone=dict(arch='pcdarts_cifar10'))
