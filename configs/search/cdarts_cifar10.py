# CDARTS on CIFAR-10 with the values of the authors' scripts (one GPU), mended where their code does
# not do what it says; cdarts_cifar10_paper.py has those of the paper. 25,000 + 25,000 images.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/cifar10_darts.py']
model = dict(
    model=dict(
        backbone=dict(combine='mean', num_cells=8, init_channels=16),
        head=dict(in_channels=256)),
    evaluation=dict(num_cells=20),
    pools=(6, 6),
    distillation=dict(loss='smooth_l1', freeze_heads=True),
    # The authors' code counts each edge three times, by mistake: their 5 is 15 here.
    l1_weight=5.0,
    l1_epochs=20,
    l1_ops=('max_pool_3x3', 'avg_pool_3x3', 'skip_connect'),
    warmup_epochs=2,
    separate_epochs=1)
# The authors build these schedules, but never step them: param_scheduler=None is as their code runs.
__cosine = [dict(type='CosineAnnealingLR', T_max=62, by_epoch=True, convert_to_iter_based=True)]
param_scheduler = dict(weights=__cosine, evaluation=__cosine, arch=[])
# 2 epochs of warm-up, then 30 cycles of an epoch of the evaluation network and a joint epoch
train_cfg = dict(max_epochs=62, val_interval=2)
