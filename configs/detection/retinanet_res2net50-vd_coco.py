_base_ = './retinanet_pp-resnet50_coco.py'
model = dict(backbone=dict(block='res2net', arch=None))
