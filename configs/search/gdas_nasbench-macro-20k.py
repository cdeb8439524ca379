# GDAS in the space of NAS-Bench-Macro on 20,000 CIFAR-10 images of 16 x 16, small enough for minutes on
# one CPU core: a quarter of the width. The weights alone learn in 64 of 72 epochs, see
# gdas_nasbench201-20k.py.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    type='ppnas_mm.GDAS',
    model=dict(
        backbone=dict(
            _delete_=True,
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            last_channels=None),
        head=dict(in_channels=64)),
    warmup_epochs=64)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1), clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(lr=5e-4)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', eta_min=0.02, by_epoch=True, convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=72, val_interval=72, val_share=0.2)
