# The segmentation network of CDARTS' authors: CDARTS-b with a last convolution of 320 channels,
# their decoder (F = 6: 48 channels) and two heads for the training only.
# `channels` of the decoder: 48 for Cityscapes, 128 for ADE20K.
_base_ = './deeplabv3plus.py'
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        type='ppnas_mm.ChainNet',
        arch='cdarts_b',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        last_channels=320),
    decode_head=dict(
        _delete_=True,
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
    ])
default_hooks = dict(ema=dict(type='EMAHook', momentum=2e-4, update_buffers=True))
