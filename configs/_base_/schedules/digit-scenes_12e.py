# A short version of the detection recipe (warm-up, then half a cosine) for 400 scenes, 12 epochs.
_base_ = './digit-scenes_8e.py'
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=11, by_epoch=True, begin=1, end=12,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=12)
