# One-shot search, as in SE-NAS and SPOS: a super-net trained path by path, then a selection on images
# held out; a classifier of ten classes. SE-NAS' 150 epochs over all stages, without a new start; the
# optimizer is that of PP-NAS on CIFAR.
_base_ = '../runtime.py'
model = dict(
    type='ppnas_mm.SENAS',
    model=dict(
        type='ImageClassifier',
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, topk=(1, ), loss=dict(type='CrossEntropyLoss'))))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=5)))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.0, end=150, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(
    type='ppnas_mm.SearchLoop', max_epochs=150, val_interval=10, val_share=0.1,
    val_pipeline=[dict(type='PackInputs')])
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
