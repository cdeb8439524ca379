# Res2Net-20 of the size of pp-resnet20_digits.py, trained on digits first:
# python tools/train.py configs/classification/res2net20_digits.py
_base_ = './pp-resnet20_digits.py'
__part = dict(
    backbone=dict(
        block='res2net', arch=None,
        init_cfg=dict(checkpoint='work_dirs/res2net20_digits/epoch_20.pth')))
network = dict(detector=__part, segmentor=__part)
