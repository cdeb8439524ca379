# PP-NAS, Section IV-E: batches of 16 (4 GPUs x 4), 60 epochs, five of warm-up.
# The authors' code adds Nesterov; decay is on every parameter.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=55, eta_min=0, by_epoch=True, begin=5, end=60,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=60, val_interval=5)
auto_scale_lr = dict(enable=False, base_batch_size=16)
