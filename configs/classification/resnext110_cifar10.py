_base_ = './pp-resnet110_cifar10.py'
model = dict(backbone=dict(block='resnext', arch=None))
