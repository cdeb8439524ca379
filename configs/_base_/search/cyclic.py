# Bilevel search of CDARTS: a search network and an evaluation network teach each other; a classifier of
# ten classes. The rates are those of the authors' scripts.
_base_ = '../runtime.py'
model = dict(
    type='ppnas_mm.CDARTS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.DARTSSuperNet'),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, topk=(1, ), loss=dict(type='CrossEntropyLoss'))),
    classes=10)
__weights = dict(
    optimizer=dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=3e-4),
    clip_grad=dict(max_norm=5))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=__weights,
    evaluation=__weights,
    arch=dict(
        optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=0),
        clip_grad=dict(max_norm=5)))
train_cfg = dict(type='ppnas_mm.SearchLoop')
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
