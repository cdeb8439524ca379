# A short version of the detection recipe (warm-up, then half a cosine) for 400 scenes, 8 epochs.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4, nesterov=True),
    clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=7, by_epoch=True, begin=1, end=8,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=4)
