# CDARTS' segmentation on ADE20K: batches of 32 (8 GPUs x 4), 1000 epochs, "poly" of power 0.9.
# The authors warm up exponentially from 5e-6 for 1000 iterations; mmengine has the straight line.
_base_ = './cityscapes_4000e.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, by_epoch=False, begin=0, end=1000),
    dict(
        type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=1000,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=1000, val_interval=20)
