# Res2Net-50-vd on ImageNet, trained as PP-ResNet-50: the augmented training.
_base_ = './pp-resnet50_8xb128-aug-300e_in1k.py'
model = dict(backbone=dict(block='res2net', arch=None))
