# DARTSNet for images of 16 x 16: few cells, no auxiliary tower (it needs 32 x 32), no drop path.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_cifar10',
        variant='cifar',
        num_cells=5,
        init_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=128,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
