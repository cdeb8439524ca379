# ResNet-50-vd on ImageNet, trained as PP-ResNet-50.
_base_ = './pp-resnet50_8xb128_in1k.py'
model = dict(backbone=dict(block='resnet', arch=None))
