_base_ = [
    '../_base_/models/darts-net_digits.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py'
]
