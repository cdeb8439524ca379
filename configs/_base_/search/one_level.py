# One-level search, as in PP-NAS: weights and architecture learn in the same step, each with an optimizer
# of its own; a classifier of ten classes. Rates and epochs are those of the paper on CIFAR.
_base_ = '../runtime.py'
model = dict(
    type='ppnas_mm.PPNAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.PPConvSuperNet', macro='cifar'),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, topk=(1, ), loss=dict(type='CrossEntropyLoss'))))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999))))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=300, by_epoch=True, convert_to_iter_based=True)],
    arch=[])
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
