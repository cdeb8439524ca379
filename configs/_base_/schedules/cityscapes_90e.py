# PP-NAS, Section IV-E, to the letter: 90 epochs (33k iterations; see cityscapes_120e.py).
# The authors' code adds Nesterov; decay is on every parameter.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=85, eta_min=0, by_epoch=True, begin=5, end=90,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=90, val_interval=10)
auto_scale_lr = dict(enable=False, base_batch_size=8)
