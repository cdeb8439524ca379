# CDARTS' authors print 36.2 AP, from ImageNet weights.
_base_ = './retinanet_cdarts-a_coco.py'
model = dict(backbone=dict(arch='cdarts_b'))
