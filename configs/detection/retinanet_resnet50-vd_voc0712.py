# RetinaNet on ResNet-50-vd, VOC 2007 and 2012: the recipe of PP-NAS (Section IV-D).
_base_ = [
    '../_base_/backbones/resnet50-vd.py', '../_base_/heads/retinanet_voc0712.py',
    '../_base_/datasets/voc0712_640.py', '../_base_/schedules/detection_24e.py'
]
model = _base_.pop('network').detector
