# ResNet-50-vd, as PP-NAS compares with it.
# 256, 512, 1024 and 2048 channels at strides 4, 8, 16 and 32.
_base_ = './pp-resnet50.py'
network = dict(detector=dict(backbone=dict(block='resnet', arch=None)))
