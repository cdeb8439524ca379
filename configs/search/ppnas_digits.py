# PP-NAS on handwritten digits: a demonstration of about a minute on two CPU cores.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/digits.py']
model = dict(
    model=dict(
        backbone=dict(depth=20, stem_channels=16, base_channels=16), head=dict(in_channels=256)))
# The paper's Adam learning rate, 1e-3, moves alpha too slowly for so few steps: 3e-2 here.
optim_wrapper = dict(arch=dict(optimizer=dict(lr=3e-2)))
param_scheduler = dict(weights=[
    dict(type='CosineAnnealingLR', T_max=20, by_epoch=True, convert_to_iter_based=True)
])
train_cfg = dict(max_epochs=20, val_interval=20)
default_hooks = dict(search=dict(recalibrate_batches=22))
