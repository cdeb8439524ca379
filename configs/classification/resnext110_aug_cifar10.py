# ResNeXt-110 on CIFAR-10, trained as PP-ResNet-110: the augmented training.
_base_ = './pp-resnet110_aug_cifar10.py'
model = dict(backbone=dict(block='resnext', arch=None))
