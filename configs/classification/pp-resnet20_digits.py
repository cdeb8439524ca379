_base_ = [
    '../_base_/models/pp-resnet20.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py'
]
