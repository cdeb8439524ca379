# CDARTS on 20,000 CIFAR-10 images of 16 x 16, small enough for half an hour on a CPU core: fewer
# cells than in cdarts_cifar10.py, half the width, few cycles, and so a larger architecture learning
# rate.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
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
    l1_epochs=3,
    l1_ops=('max_pool_3x3', 'avg_pool_3x3', 'skip_connect'),
    warmup_epochs=1)
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='Resize', scale=16),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[dict(type='Resize', scale=16), dict(type='PackInputs')]))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    evaluation=dict(
        optimizer=dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    arch=dict(
        optimizer=dict(type='Adam', lr=3e-3, betas=(0.5, 0.999), weight_decay=0),
        clip_grad=dict(max_norm=5)))
# an epoch of warm-up, then 4 cycles
train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=9, val_interval=9)
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
