_base_ = './retinanet_pp-resnet50_voc0712.py'
model = dict(backbone=dict(block='resnet', arch=None))
