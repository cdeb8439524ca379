_base_ = './pp-resnet110_cifar100.py'
model = dict(backbone=dict(block='resnet', arch=None))
