# A linear classifier of ten classes, on the last map of any backbone.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=10, topk=(1, ), loss=dict(type='CrossEntropyLoss')))
