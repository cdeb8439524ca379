# DeepLabv3+ on digit scenes, from the backbone that `make search` finds: minutes on two CPU cores.
_base_ = [
    '../_base_/backbones/pp-resnet20_digits.py', '../_base_/heads/deeplabv3plus_digit-scenes.py',
    '../_base_/datasets/digit_scenes_masks.py', '../_base_/schedules/digit-scenes_12e.py'
]
model = _base_.pop('network').segmentor
optim_wrapper = dict(optimizer=dict(lr=0.3))
