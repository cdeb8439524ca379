# CDARTS on handwritten digits: a demonstration of about four minutes on two CPU cores.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/digits.py']
model = dict(
    model=dict(
        backbone=dict(num_cells=4, init_channels=8),
        head=dict(in_channels=128)),
    evaluation=dict(num_cells=6),
    pools=(3, 2),
    distillation=dict(loss='smooth_l1', freeze_heads=True),
    l1_epochs=8,
    warmup_epochs=2)
# The authors' rate, 3e-4, hardly moves alpha in so few steps.
optim_wrapper = dict(arch=dict(optimizer=dict(lr=5e-3)))
# 2 epochs of warm-up, then 12 cycles of an epoch of the evaluation network and a joint epoch
train_cfg = dict(max_epochs=26, val_interval=26)
default_hooks = dict(search=dict(recalibrate_batches=11))
