# RetinaNet on digit scenes with CDARTS's ImageNet cell, from scratch.
_base_ = [
    '../_base_/heads/retinanet_digit-scenes.py', '../_base_/datasets/digit_scenes_coco.py',
    '../_base_/schedules/digit-scenes_12e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_imagenet',
        variant='imagenet',
        num_cells=6,
        init_channels=16,
        out_indices=(0, 1, 2, 3)),
    neck=dict(
        _delete_=True, type='FPN', in_channels=[16, 64, 128, 256], out_channels=64, num_outs=4,
        norm_cfg=dict(type='BN'), no_norm_on_lateral=True),
    bbox_head=dict(num_ins=4, anchor_generator=dict(strides=[4, 8, 16, 32])))
