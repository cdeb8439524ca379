# EoiNAS, Section V-C: 90k iterations with batches of 4 on one GPU (121 epochs), "poly" from 0.007.
# Momentum and decay are the authors' code, which also warms up for 1000 iterations from 5e-6.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.007, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(
        type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=121,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=121, val_interval=10)
auto_scale_lr = dict(enable=False, base_batch_size=4)
