# GFLV2 on digit scenes with a ResNet-20.
# First: python tools/train.py configs/classification/resnet20_digits.py
_base_ = [
    '../_base_/backbones/resnet20_digits.py', '../_base_/heads/gflv2_digit-scenes.py',
    '../_base_/datasets/digit_scenes_coco.py', '../_base_/schedules/digit-scenes_8e.py'
]
model = _base_.pop('network').detector
