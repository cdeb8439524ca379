# PP-ResNet-20 on digits, at a quarter of the paper's width, with the architecture found on CIFAR-10.
_base_ = [
    '../_base_/models/pp-resnet20.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py'
]
