# RetinaNet on CDARTS' ImageNet cells, VOC 2007 and 2012, trained as PP-ResNet-50 (PP-NAS, Section
# IV-D): no recipe for it is published.
_base_ = [
    '../_base_/backbones/cdarts.py', '../_base_/heads/retinanet_voc0712.py',
    '../_base_/datasets/voc0712_640.py', '../_base_/schedules/detection_24e.py'
]
model = _base_.pop('network').detector
