# A small version of deeplabv3plus_eoinas_cityscapes.py on digit scenes, from scratch; the decoder
# has depthwise convolutions, as in the other configs of digit scenes.
_base_ = [
    '../_base_/datasets/digit_scenes_masks.py', '../_base_/schedules/digit-scenes_12e.py',
    '../_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
# with group norms 0.1 went down faster than the 0.3 of the other configs (150 steps, one seed)
optim_wrapper = dict(optimizer=dict(lr=0.1))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(160, 160),
        pad_val=0, seg_pad_val=255, test_cfg=dict(size=(160, 160))),
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='eoinas_cityscapes',
        variant='segmentation',
        num_cells=6,
        init_channels=16,
        norm_cfg=dict(type='GN', num_groups=8)),
    decode_head=dict(
        type='ppnas_mm.DeepLabV3PlusHead',
        num_classes=11,
        in_channels=256,
        in_index=2,
        channels=64,
        dilations=(1, 2, 3),
        c1_in_channels=64,
        c1_channels=16,
        dropout_ratio=0,
        norm_cfg=dict(type='GN', num_groups=8),
        align_corners=False,
        # as in deeplabv3plus_pp-resnet_digit-scenes.py: nine of ten pixels are ground
        loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
