# CDARTS on 20,000 CIFAR-10 images of 16 x 16, small enough for half an hour on a CPU core: fewer
# cells than in cdarts_cifar10.py, half the width, few cycles, and so a larger architecture learning
# rate.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/cifar10.py']
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
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='Resize', scale=16),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[dict(type='Resize', scale=16), dict(type='PackInputs')]))
optim_wrapper = dict(arch=dict(optimizer=dict(lr=3e-3)))
# an epoch of warm-up, then 4 cycles
train_cfg = dict(max_epochs=9, val_interval=9)
