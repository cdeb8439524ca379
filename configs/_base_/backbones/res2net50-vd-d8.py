# Res2Net-50-vd at output stride 8: the blocks of the last stage have dilations 2, 8, 16.
_base_ = './pp-resnet50-d8.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            block='res2net', arch=None, stride_in='conv3x3',
            init_cfg=dict(checkpoint='ppnas://res2net50-vd.imagenet'))))
