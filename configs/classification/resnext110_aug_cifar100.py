_base_ = './pp-resnet110_aug_cifar100.py'
model = dict(backbone=dict(block='resnext', arch=None))
