# GFLV2 on ResNet-50-vd, COCO: the recipe of PP-NAS (Section IV-D).
_base_ = [
    '../_base_/backbones/resnet50-vd.py', '../_base_/heads/gflv2.py',
    '../_base_/datasets/coco_896.py', '../_base_/schedules/detection_24e.py'
]
model = _base_.pop('network').detector
