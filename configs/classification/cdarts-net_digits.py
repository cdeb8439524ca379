_base_ = [
    '../_base_/models/darts-net_digits.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py', '../_base_/runtime.py'
]
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
