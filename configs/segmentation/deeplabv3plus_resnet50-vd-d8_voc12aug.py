_base_ = './deeplabv3plus_pp-resnet50-d8_voc12aug.py'
model = dict(backbone=dict(block='resnet', arch=None))
