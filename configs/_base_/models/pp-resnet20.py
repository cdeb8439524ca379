# PP-ResNet-20 at a quarter of the paper's width.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.PPResNetCIFAR',
        depth=20,
        arch='pp_resnet_cifar10',
        stem_channels=16,
        base_channels=16),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=256,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
