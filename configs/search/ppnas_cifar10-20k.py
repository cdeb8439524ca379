# PP-NAS on 20,000 CIFAR-10 images, small enough for an hour on two CPU cores: depth 20, a quarter
# of the paper's width, few epochs; so a larger architecture learning rate than the paper's 1e-3
# and only crop and flip.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar10-20k.py']
model = dict(
    model=dict(
        backbone=dict(depth=20, stem_channels=16, base_channels=16), head=dict(in_channels=256)))
optim_wrapper = dict(arch=dict(optimizer=dict(lr=5e-3)))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=12, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=12, val_interval=2)
