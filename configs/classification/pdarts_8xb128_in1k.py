# The cell of P-DARTS on ImageNet, trained as CDARTS' cell but for the rate.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(arch='pdarts'))
# P-DARTS' rate falls linearly, SE-NAS-E is retrained as P-DARTS
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='LinearLR', start_factor=1.0, end_factor=0.0, begin=5, end=250, by_epoch=True,
        convert_to_iter_based=True),
]
