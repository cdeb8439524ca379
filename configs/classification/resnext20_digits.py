_base_ = './pp-resnet20_digits.py'
model = dict(backbone=dict(block='resnext', arch=None))
