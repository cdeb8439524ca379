_base_ = './pp-resnet110_aug_cifar10.py'
model = dict(backbone=dict(block='resnext', arch=None))
