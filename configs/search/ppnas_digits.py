# PP-NAS on handwritten digits: a demonstration of about a minute on two CPU cores.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/digits.py']
model = dict(
    type='ppnas_mm.PPNAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=20, stem_channels=16, base_channels=16),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))))
# The paper's Adam learning rate, 1e-3, moves alpha too slowly for so few steps: 3e-2 here.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=3e-2, betas=(0.9, 0.999))))
param_scheduler = dict(arch=[], weights=[
    dict(type='CosineAnnealingLR', T_max=20, by_epoch=True, convert_to_iter_based=True)
])
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=20)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=22))
