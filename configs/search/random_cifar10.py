# Random search on CIFAR-10 as in the paper, Section IV-B: a drawn architecture that uses all input
# groups ("constrained"), trained as the standard networks are. As those that the authors drew, a stage
# has one identity and three 3x3 convolutions, so all have the size of the found network (18.49 M);
# operations='free' draws them, too. The derived network is the trained one. The architectures that the authors drew: configs/classification/pp-resnet110_cifar10.py with
# --genotype pp_resnet_random_full1, ..._full2, ..._constrained1 or ..._constrained2.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.RandomSearch',
    constrained=True,
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=110, base_width=26),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=1024, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))))
# The architecture does not change, whatever the optimizer of arch. The authors' code has
# nesterov=True on the weights.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
    arch=dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999))))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, convert_to_iter_based=True)],
    arch=[])
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=10)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook'))
