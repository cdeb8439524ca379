# ResNet-20 on digits, of the size of pp-resnet20_digits.py.
_base_ = './pp-resnet20_digits.py'
model = dict(backbone=dict(block='resnet', arch=None))
