# RetinaNet on digit scenes with a Res2Net-20.
# First: python tools/train.py configs/classification/res2net20_digits.py
_base_ = [
    '../_base_/backbones/res2net20_digits.py', '../_base_/heads/retinanet_digit-scenes.py',
    '../_base_/datasets/digit_scenes_coco.py', '../_base_/schedules/digit-scenes_8e.py'
]
model = _base_.pop('network').detector
