# DeepLabv3+ on digit scenes with a ResNet-20.
# First: python tools/train.py configs/classification/resnet20_digits.py
_base_ = './deeplabv3plus_pp-resnet_digit-scenes.py'
model = dict(
    backbone=dict(
        block='resnet', arch=None,
        init_cfg=dict(checkpoint='work_dirs/resnet20_digits/epoch_20.pth')))
