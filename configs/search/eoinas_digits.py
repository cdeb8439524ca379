# EoiNAS on handwritten digits: a demonstration of about five minutes on two CPU cores. The paper's
# 160 epochs, 20 of warm-up and prunings after 40, 60, ..., 160 are 96, 12 and 24, 36, ..., 96 here;
# train_cfg.max_epochs alone moves them, with the temperature and the rate of the weights.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/digits.py']
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, num_cells=4,
            init_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=128, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
# the network needs steps more than large batches: 22 an epoch
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    # The paper's rate, 3e-4, hardly moves alpha in so few steps.
    arch=dict(optimizer=dict(type='Adam', lr=5e-3, betas=(0.5, 0.999), weight_decay=1e-3)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', eta_min=1e-3, by_epoch=True, convert_to_iter_based=True),
    ],
    arch=[])
train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=96, val_interval=96)
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=11))
