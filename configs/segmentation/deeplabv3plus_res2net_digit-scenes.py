# DeepLabv3+ on digit scenes with a Res2Net-20.
# First: python tools/train.py configs/classification/res2net20_digits.py
_base_ = './deeplabv3plus_pp-resnet_digit-scenes.py'
model = dict(
    backbone=dict(
        block='res2net', arch=None,
        init_cfg=dict(checkpoint='work_dirs/res2net20_digits/epoch_20.pth')))
