# PP-ResNet-50 on ImageNet: the paper's augmented training (Section IV-C).
# It does not state the ratio of Mixup on ImageNet: 0.2 as on CIFAR.
_base_ = [
    '../_base_/backbones/pp-resnet50.py', '../_base_/heads/linear_imagenet.py',
    '../_base_/datasets/imagenet_augmented.py', '../_base_/schedules/imagenet_300e.py'
]
model = dict(
    **_base_.pop('network').classifier, train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
