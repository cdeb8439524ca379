# EoiNAS on CIFAR-10 with the values of the paper (Section IV-B), one GPU; 25,000 + 25,000 images.
# train_cfg.max_epochs alone moves the rest of the schedule: 160 are 20 of warm-up at temperature 5 and
# prunings after 40, 60, ..., 160. eoinas_cifar10_authors.py is the authors' code. `--seeds 0,1,2,3`
# searches four times and keeps the best, as the paper does.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/cifar10_darts.py']
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        backbone=dict(num_cells=8, init_channels=16),
        head=dict(in_channels=256)),
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
train_cfg = dict(max_epochs=160, val_interval=20)
