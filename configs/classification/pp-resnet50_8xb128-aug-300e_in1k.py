_base_ = [
    '../_base_/models/pp-resnet50.py', '../_base_/datasets/imagenet_augmented.py',
    '../_base_/schedules/imagenet_300e.py', '../_base_/runtime.py'
]
# The paper does not state the ratio of Mixup on ImageNet: 0.2 as on CIFAR.
model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
