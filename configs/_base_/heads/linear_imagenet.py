# A linear classifier of the 1000 classes of ImageNet, with label smoothing: the paper's for PP-NAS;
# for SE-NAS that of AngleNAS' code, whose training setting its paper follows.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        topk=(1, 5),
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000)))
