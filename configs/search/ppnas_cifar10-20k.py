# PP-NAS on 20,000 CIFAR-10 images, small enough for an hour on two CPU cores: depth 20, a quarter
# of the paper's width, few epochs; so a larger architecture learning rate than the paper's 1e-3
# and only crop and flip.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
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
train_dataloader = dict(
    batch_size=64, num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
val_dataloader = test_dataloader = dict(num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=5e-3, betas=(0.9, 0.999))))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=12, by_epoch=True, convert_to_iter_based=True)],
    arch=[])
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=2)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
