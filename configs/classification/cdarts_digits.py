_base_ = [
    '../_base_/models/darts_digits.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py', '../_base_/runtime.py'
]
custom_hooks = [dict(type='ppnas_mm.EpochSeedHook'), dict(type='ppnas_mm.ChannelsLastHook')]
