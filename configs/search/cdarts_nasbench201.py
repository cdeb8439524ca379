# CDARTS in the NAS-Bench-201 space on CIFAR-10 with the values of the authors' script. Their L1
# holds down `none`, the first operation of the list, as a mean over the edges.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/cifar10_darts.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBench201SuperNet', init_channels=16, cells_per_stage=5,
            last_act=False),
        head=dict(in_channels=64)),
    evaluation=dict(norm_cfg=dict(type='BN')),
    pools=(6, 6),
    distillation=dict(loss='smooth_l1'),
    l1_weight=5.0,
    l1_epochs=33,
    l1_ops=('none', ),
    l1_reduction='mean')
# The authors build these schedules, but never step them: param_scheduler=None is as their code runs.
__cosine = [dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, convert_to_iter_based=True)]
param_scheduler = dict(weights=__cosine, evaluation=__cosine, arch=[])
# 50 cycles of an epoch of the evaluation network and a joint epoch
train_cfg = dict(max_epochs=100, val_interval=2)
