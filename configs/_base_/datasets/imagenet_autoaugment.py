# ImageNet-1k with AutoAugment, 224 x 224. A batch of 1024 is 8 GPUs x 128 images.
_base_ = './imagenet.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=224, interpolation='bicubic'),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='AutoAugment', policies='imagenet', hparams=dict(pad_val=[104, 116, 124])),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=256, edge='short', interpolation='bicubic'),
            dict(type='CenterCrop', crop_size=224),
            dict(type='PackInputs'),
        ]))
