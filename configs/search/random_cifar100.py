# Random search on CIFAR-100, as random_cifar10.py.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar100.py']
model = dict(
    type='ppnas_mm.RandomSearch',
    constrained=True,
    model=dict(
        backbone=dict(depth=110, base_width=26),
        head=dict(num_classes=100, in_channels=1024)))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=200)
default_hooks = dict(search=dict(_delete_=True, type='ppnas_mm.SearchHook'))
