# The big model of CDARTS (Section 4.6.2): 96 channels, images of 320 x 320, AutoAugment and Mixup.
# The ratio of Mixup is not stated, nor the resize of a test: that of 256 for 224 here.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(
    backbone=dict(init_channels=96),
    head=dict(in_channels=1536, aux_channels=1536),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=320),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='AutoAugment', policies='imagenet', hparams=dict(pad_val=128)),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=366, edge='short'),
            dict(type='CenterCrop', crop_size=320),
            dict(type='PackInputs'),
        ]))
