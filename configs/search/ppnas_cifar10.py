# PP-NAS on CIFAR-10 as in the paper, Section IV-A: PP-ResNet-110, 300 epochs.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10_augmented.py']
model = dict(
    type='ppnas_mm.PPNAS',
    # The paper sums the losses over connections; the authors' code takes means: reduction='mean'.
    reduction='sum',
    l2_weight=5e-4,
    model=dict(
        type='ImageClassifier',
        # The paper's base_width is 26; the authors' search script has 24.
        backbone=dict(type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=110, base_width=26),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=1024, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))))
# The authors' code has nesterov=True and clip_grad=dict(max_norm=5) on the weights.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999))))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=300, by_epoch=True, convert_to_iter_based=True)],
    arch=[])
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
