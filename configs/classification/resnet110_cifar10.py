# ResNet-110 on CIFAR-10, trained as PP-ResNet-110.
_base_ = './pp-resnet110_cifar10.py'
model = dict(backbone=dict(block='resnet', arch=None))
