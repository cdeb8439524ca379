# First-order DARTS on CIFAR-10 as in its paper: sums at the nodes, a norm after each pool, 50 epochs.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.DARTS',
    order=1,
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, num_cells=8,
            init_channels=16),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))))
# the authors' statistics
data_preprocessor = dict(std=[62.985, 62.0925, 66.705])
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', T_max=50, eta_min=1e-3, by_epoch=True,
            convert_to_iter_based=True),
    ],
    arch=[])
train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=50, val_interval=5)
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
