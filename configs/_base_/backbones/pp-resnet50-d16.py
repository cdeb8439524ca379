# PP-ResNet-50 at output stride 16: the blocks of the last stage have dilations 1, 4, 8.
_base_ = './pp-resnet50-d8.py'
network = dict(
    segmentor=dict(
        backbone=dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
        decode_head=dict(dilations=(1, 6, 12, 18))))
