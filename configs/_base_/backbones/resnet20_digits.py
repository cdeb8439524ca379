# ResNet-20 of the size of pp-resnet20_digits.py, trained on digits first:
# python tools/train.py configs/classification/resnet20_digits.py
_base_ = './pp-resnet20_digits.py'
__part = dict(
    backbone=dict(
        block='resnet', arch=None,
        init_cfg=dict(checkpoint='work_dirs/resnet20_digits/epoch_20.pth')))
network = dict(detector=__part, segmentor=__part)
