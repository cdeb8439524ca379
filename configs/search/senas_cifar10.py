# SE-NAS in the mobile space on CIFAR-10, one GPU; the paper holds out 5,000 images of 50,000, but has
# no recipe of this space on CIFAR. Stages, operations and models are as on ImageNet, the optimizer
# of CIFAR (0.1, 5e-4, batch 128); three of its strides of two are left. No limits; for some:
# model.limits=dict(flops=100e6, input_shape=(3, 32, 32))
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.SENAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.MobileSuperNet', variant='cifar', strides=(1, 2, 2, 1, 2, 1)),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=1728, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    first_epochs=100,
    stage_epochs=5,
    drop=10,
    finish_size=1000000,
    threshold=50,
    models_per_op=1000)
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
