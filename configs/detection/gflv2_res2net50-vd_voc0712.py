_base_ = './gflv2_pp-resnet50_voc0712.py'
model = dict(backbone=dict(block='res2net', arch=None))
