# The 90 epochs of the paper's text: 33k iterations (it says 45k; see cityscapes_120e.py).
_base_ = './cityscapes_120e.py'
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=85, eta_min=0, by_epoch=True, begin=5, end=90,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=90)
