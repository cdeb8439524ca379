# CDARTS on handwritten digits: a demonstration of about four minutes on two CPU cores.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/digits.py']
model = dict(
    type='ppnas_mm.CDARTS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.DARTSSuperNet', num_cells=4, init_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=128, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    evaluation=dict(num_cells=6),
    classes=10,
    pools=(3, 2),
    distillation=dict(loss='smooth_l1', freeze_heads=True),
    l1_epochs=8,
    warmup_epochs=2)
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    evaluation=dict(
        optimizer=dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    # The authors' rate, 3e-4, hardly moves alpha in so few steps.
    arch=dict(
        optimizer=dict(type='Adam', lr=5e-3, betas=(0.5, 0.999), weight_decay=0),
        clip_grad=dict(max_norm=5)))
# 2 epochs of warm-up, then 12 cycles of an epoch of the evaluation network and a joint epoch
train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=26, val_interval=26)
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=11))
