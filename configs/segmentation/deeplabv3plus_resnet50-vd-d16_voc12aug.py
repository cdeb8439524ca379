# Output stride 16: the blocks of the last stage have dilations 1, 4, 8.
_base_ = './deeplabv3plus_pp-resnet50-d8_voc12aug.py'
model = dict(
    backbone=dict(block='resnet', arch=None, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
    decode_head=dict(dilations=(1, 6, 12, 18)))
