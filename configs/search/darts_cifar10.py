# First-order DARTS on CIFAR-10 as in its paper: sums at the nodes, a norm after each pool, 50 epochs.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/cifar10_darts.py']
model = dict(
    type='ppnas_mm.DARTS',
    order=1,
    model=dict(
        backbone=dict(num_cells=8, init_channels=16),
        head=dict(in_channels=256)))
optim_wrapper = dict(weights=dict(clip_grad=dict(max_norm=5)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', T_max=50, eta_min=1e-3, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=50, val_interval=5)
