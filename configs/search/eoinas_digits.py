# EoiNAS on handwritten digits: a demonstration of about five minutes on two CPU cores. The paper's
# 160 epochs, 20 of warm-up and prunings after 40, 60, ..., 160 are 96, 12 and 24, 36, ..., 96 here;
# train_cfg.max_epochs alone moves them, with the temperature and the rate of the weights.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/digits.py']
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        backbone=dict(num_cells=4, init_channels=8),
        head=dict(in_channels=128)),
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
# the network needs steps more than large batches: 22 an epoch
train_dataloader = dict(batch_size=32)
# The paper's rate, 3e-4, hardly moves alpha in so few steps.
optim_wrapper = dict(
    weights=dict(clip_grad=dict(max_norm=5)), arch=dict(optimizer=dict(lr=5e-3)))
train_cfg = dict(max_epochs=96, val_interval=96)
default_hooks = dict(search=dict(recalibrate_batches=11))
