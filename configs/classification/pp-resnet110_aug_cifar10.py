# PP-ResNet-110 on CIFAR-10: the paper's augmented training (Section IV-A).
_base_ = [
    '../_base_/models/pp-resnet110.py', '../_base_/datasets/cifar10_augmented.py',
    '../_base_/schedules/cifar_600e.py'
]
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
