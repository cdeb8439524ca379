# RetinaNet on CDARTS' ImageNet cells, COCO, trained as CDARTS' detectors, which stand on its
# chains.
_base_ = [
    '../_base_/backbones/cdarts.py', '../_base_/heads/retinanet_cdarts.py',
    '../_base_/datasets/coco_1333x800.py', '../_base_/schedules/detection_12e.py'
]
model = _base_.pop('network').detector
