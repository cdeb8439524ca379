_base_ = './deeplabv3plus_pp-resnet50-d8_90e_cityscapes.py'
model = dict(backbone=dict(block='resnet', arch=None))
