# Bilevel search, as in DARTS, GDAS and EoiNAS: the weights learn on one half of the images, the
# architecture on the other; a classifier of ten classes. The rates are those of DARTS.
_base_ = '../runtime.py'
model = dict(
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, topk=(1, ), loss=dict(type='CrossEntropyLoss'))))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=3e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', eta_min=1e-3, by_epoch=True, convert_to_iter_based=True),
    ],
    arch=[])
train_cfg = dict(type='ppnas_mm.SearchLoop')
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
