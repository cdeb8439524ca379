# CDARTS-a of the chain space; the paper prints 77.4 % top-1. It names no decay of its average of
# the weights: 0.9999.
_base_ = [
    '../_base_/models/cdarts-a.py', '../_base_/datasets/imagenet_autoaugment.py',
    '../_base_/schedules/imagenet_350e.py'
]
default_hooks = dict(ema=dict(type='EMAHook', momentum=1e-4, update_buffers=True))
