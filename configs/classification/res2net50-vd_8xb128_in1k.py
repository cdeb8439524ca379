_base_ = './pp-resnet50_8xb128_in1k.py'
model = dict(backbone=dict(block='res2net', arch=None))
