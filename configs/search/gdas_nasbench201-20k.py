# GDAS in the NAS-Bench-201 space on 20,000 CIFAR-10 images of 16 x 16, small enough for minutes on one
# CPU core: 8 channels, a cell a stage. The weights alone learn in 64 of 72 epochs; then alpha moves
# slowly, so that all operations go on being compared.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    type='ppnas_mm.GDAS',
    model=dict(
        backbone=dict(
            _delete_=True,
            type='ppnas_mm.NASBench201SuperNet',
            init_channels=8,
            cells_per_stage=1),
        head=dict(in_channels=32)),
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
