# RetinaNet on EoiNAS' ImageNet network, COCO, trained as CDARTS' detectors; EoiNAS has no
# detectors.
_base_ = [
    '../_base_/backbones/eoinas.py', '../_base_/heads/retinanet_cdarts.py',
    '../_base_/datasets/coco_1333x800.py', '../_base_/schedules/detection_12e.py'
]
model = _base_.pop('network').detector
