# DeepLabv3+ on digit scenes with CDARTS's ImageNet cell, from scratch; one reduction: stride 16.
# as in deeplabv3plus_pp-resnet_digit-scenes.py: nine of ten pixels are ground
_base_ = [
    '../_base_/heads/deeplabv3plus_digit-scenes.py', '../_base_/datasets/digit_scenes_masks.py',
    '../_base_/schedules/digit-scenes_12e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_imagenet',
        variant='imagenet',
        num_cells=6,
        init_channels=16,
        reductions=(3, ),
        out_indices=(0, 1, 2)),
    decode_head=dict(in_channels=128, dilations=(1, 2, 3), c1_in_channels=16))
optim_wrapper = dict(optimizer=dict(lr=0.3))
