# CDARTS on 20,000 CIFAR-10 images of 16 x 16, small enough for half an hour on a CPU core: fewer
# cells than in cdarts_cifar10.py, half the width, few cycles, and so a larger architecture learning
# rate.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    model=dict(
        backbone=dict(num_cells=4, init_channels=8),
        head=dict(in_channels=128)),
    evaluation=dict(num_cells=6),
    pools=(3, 2),
    distillation=dict(loss='smooth_l1', freeze_heads=True),
    l1_epochs=3,
    l1_ops=('max_pool_3x3', 'avg_pool_3x3', 'skip_connect'),
    warmup_epochs=1)
optim_wrapper = dict(arch=dict(optimizer=dict(lr=3e-3)))
# an epoch of warm-up, then 4 cycles
train_cfg = dict(max_epochs=9, val_interval=9)
