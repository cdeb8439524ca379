# ResNeXt-110 on CIFAR-100, trained as PP-ResNet-110: the augmented training.
_base_ = './pp-resnet110_aug_cifar100.py'
model = dict(backbone=dict(block='resnext', arch=None))
