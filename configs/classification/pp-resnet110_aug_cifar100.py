# PP-ResNet-110 on CIFAR-100: the paper's augmented training (Section IV-A).
_base_ = [
    '../_base_/models/pp-resnet110.py', '../_base_/datasets/cifar100_augmented.py',
    '../_base_/schedules/cifar_600e.py'
]
model = dict(
    backbone=dict(arch='pp_resnet_cifar100'),
    head=dict(num_classes=100, loss=dict(use_soft=True)),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
