# CDARTS' decoder on digit scenes with a CDARTS-b of half the width, from scratch.
_base_ = './deeplabv3plus_pp-resnet_digit-scenes.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.ChainNet',
        arch='cdarts_b',
        width=0.5,
        last_channels=96),
    decode_head=dict(
        _delete_=True,
        type='ppnas_mm.CDARTSHead',
        num_classes=11,
        in_channels=[16, 24, 48, 96],
        in_index=[0, 1, 2, 3],
        channels=48,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
    auxiliary_head=[
        dict(
            type='ppnas_mm.CDARTSAuxHead',
            num_classes=11,
            in_channels=channels,
            in_index=index,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(
                type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10, loss_weight=0.2))
        for index, channels in ((2, 48), (3, 96))
    ])
