# The segmentation network of CDARTS' authors: CDARTS-b with a last convolution of 320 channels,
# their decoder (F = 6: 48 channels) and two heads for the training only.
# `channels` of the decoder: 48 for Cityscapes, 128 for ADE20K.
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
        size=(512, 1024),
        pad_val=0,
        seg_pad_val=255),
    pretrained=None,
    backbone=dict(
        type='ppnas_mm.ChainNet',
        arch='cdarts_b',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        last_channels=320,
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(
        type='ppnas_mm.CDARTSHead',
        num_classes=19,
        in_channels=[24, 40, 96, 320],
        in_index=[0, 1, 2, 3],
        channels=48,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='ppnas_mm.OHEMLoss', thresh=0.7, kept=1 / 16, loss_weight=1.0)),
    auxiliary_head=[
        dict(
            type='ppnas_mm.CDARTSAuxHead',
            num_classes=19,
            in_channels=channels,
            in_index=index,
            norm_cfg=dict(type='SyncBN', requires_grad=True),
            align_corners=False,
            loss_decode=dict(type='ppnas_mm.OHEMLoss', thresh=0.7, kept=1 / 16, loss_weight=0.2))
        for index, channels in ((2, 96), (3, 320))
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
