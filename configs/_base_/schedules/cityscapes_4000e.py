# CDARTS' segmentation on Cityscapes: batches of 32 (8 GPUs x 4), 4000 epochs, "poly" of power 0.9.
# The authors warm up exponentially from 5e-6 for 1000 iterations; mmengine has the straight line.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, by_epoch=False, begin=0, end=1000),
    dict(
        type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=4000,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=4000, val_interval=100)
auto_scale_lr = dict(enable=False, base_batch_size=32)
