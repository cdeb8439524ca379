# CDARTS in the NAS-Bench-201 space on 20,000 CIFAR-10 images of 16 x 16, small enough for minutes on
# one CPU core: 8 channels, a cell a stage in both networks; 8 cycles after a warm-up of 64 epochs (see
# gdas_nasbench201-20k.py). L1 holds down `none`, as in the authors' script; only the logits are
# distilled.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBench201SuperNet', init_channels=8, cells_per_stage=1),
        head=dict(in_channels=32)),
    evaluation=dict(norm_cfg=dict(type='BN')),
    pools=(3, 2),
    distillation=dict(loss='smooth_l1', levels=(2, )),
    l1_epochs=8,
    l1_ops=('none', ),
    l1_reduction='mean',
    warmup_epochs=64)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1)),
    evaluation=dict(optimizer=dict(lr=0.1)),
    arch=dict(optimizer=dict(lr=5e-4)))
__cosine = [
    dict(type='CosineAnnealingLR', eta_min=0.02, by_epoch=True, convert_to_iter_based=True),
]
param_scheduler = dict(weights=__cosine, evaluation=__cosine, arch=[])
train_cfg = dict(max_epochs=80, val_interval=80, val_share=0.2)
