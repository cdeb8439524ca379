_base_ = './pp-resnet50_8xb128-aug-300e_in1k.py'
model = dict(backbone=dict(block='resnet', arch=None))
