# EoiNAS on CIFAR-10 with the values of the paper (Section IV-B), one GPU; 25,000 + 25,000 images.
# train_cfg.max_epochs alone moves the rest of the schedule: 160 are 20 of warm-up at temperature 5 and
# prunings after 40, 60, ..., 160. eoinas_cifar10_authors.py is the authors' code. `--seeds 0,1,2,3`
# searches four times and keeps the best, as the paper does.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, num_cells=8,
            init_channels=16),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
# the statistics of DARTS' authors
data_preprocessor = dict(std=[62.985, 62.0925, 66.705])
train_dataloader = dict(batch_size=64)
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
train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=160, val_interval=20)
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
