# Res2Net-50-vd at output stride 16: the blocks of the last stage have dilations 1, 4, 8.
_base_ = './pp-resnet50-d16.py'
network = dict(segmentor=dict(backbone=dict(block='res2net', arch=None)))
