# DeepLabv3+ as the authors of PP-NAS build it. The dilations of its decoder are for output stride
# 32: half of those for 16. backbones/*-d8.py and *-d16.py have those for 8 and 16.
_base_ = '../runtime.py'
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(512, 512),  # pads to the crop, after normalisation: the mean colour
        pad_val=0,
        seg_pad_val=255),
    pretrained=None,
    backbone=dict(norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(
        type='ppnas_mm.DeepLabV3PlusHead',
        num_classes=21,
        in_index=3,
        channels=256,
        dilations=(1, 3, 6, 9),
        c1_channels=48,
        dropout_ratio=0,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0)),
    auxiliary_head=None,
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
