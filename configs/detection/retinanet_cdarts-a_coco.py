# RetinaNet on CDARTS-a, COCO: the recipe of CDARTS' detectors. Its authors print 35.2 AP, from
# ImageNet weights.
_base_ = [
    '../_base_/backbones/cdarts-a.py', '../_base_/heads/retinanet_cdarts.py',
    '../_base_/datasets/coco_1333x800.py', '../_base_/schedules/detection_12e.py'
]
model = _base_.pop('network').detector
