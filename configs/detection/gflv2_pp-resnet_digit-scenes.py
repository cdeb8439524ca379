# GFLV2 on digit scenes, from the backbone that `make search` finds: minutes on two CPU cores.
_base_ = [
    '../_base_/backbones/pp-resnet20_digits.py', '../_base_/heads/gflv2_digit-scenes.py',
    '../_base_/datasets/digit_scenes_coco.py', '../_base_/schedules/digit-scenes_8e.py'
]
model = _base_.pop('network').detector
