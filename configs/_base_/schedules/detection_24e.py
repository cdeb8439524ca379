# PP-NAS, Section IV-D: batches of 32 (8 GPUs x 4), 24 epochs, one of warm-up.
# The authors' code adds Nesterov; decay is on every parameter.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4, nesterov=True))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=23, eta_min=0, by_epoch=True, begin=1, end=24,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=24, val_interval=2)
auto_scale_lr = dict(enable=False, base_batch_size=32)
