_base_ = './gflv2_pp-resnet50_coco.py'
model = dict(backbone=dict(block='resnet', arch=None))
