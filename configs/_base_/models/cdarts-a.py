# CDARTS-a with the classifier of its paper (Fig. 7): a layer of 1280 without a norm, dropout 0.2.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ppnas_mm.ChainNet', arch='cdarts_a'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='StackedLinearClsHead',
        num_classes=1000,
        in_channels=960,
        mid_channels=[1280],
        dropout_rate=0.2,
        act_cfg=dict(type='SiLU'),
        topk=(1, 5),
        loss=dict(type='CrossEntropyLoss')))
