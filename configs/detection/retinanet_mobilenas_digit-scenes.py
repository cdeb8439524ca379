# RetinaNet on digit scenes with a MobileNASNet of half the width, from scratch.
_base_ = './retinanet_pp-resnet_digit-scenes.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        width=0.5,
        last_channels=96),
    neck=dict(in_channels=[16, 32, 64, 96], add_extra_convs=False, num_outs=4),
    bbox_head=dict(num_ins=4, anchor_generator=dict(strides=[4, 8, 16, 32])))
