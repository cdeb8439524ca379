# DeepLabv3+ on digit scenes with CDARTS's ImageNet cell, from scratch; one reduction: stride 16.
_base_ = [
    '../_base_/datasets/digit_scenes_masks.py', '../_base_/schedules/digit-scenes_12e.py',
    '../_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
# as in deeplabv3plus_pp-resnet_digit-scenes.py: nine of ten pixels are ground
optim_wrapper = dict(optimizer=dict(lr=0.3))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(160, 160),
        pad_val=0, seg_pad_val=255, test_cfg=dict(size=(160, 160))),
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_imagenet',
        variant='imagenet',
        num_cells=6,
        init_channels=16,
        reductions=(3, ),
        out_indices=(0, 1, 2)),
    decode_head=dict(
        type='ppnas_mm.DeepLabV3PlusHead',
        num_classes=11,
        in_channels=128,
        in_index=2,
        channels=64,
        dilations=(1, 2, 3),
        c1_in_channels=16,
        c1_channels=16,
        dropout_ratio=0,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
