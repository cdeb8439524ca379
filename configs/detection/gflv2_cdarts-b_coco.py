# GFLV2 on CDARTS-b, COCO, trained as PP-ResNet-50 (PP-NAS, Section IV-D): no recipe for it is
# published.
_base_ = [
    '../_base_/backbones/cdarts-b.py', '../_base_/heads/gflv2.py',
    '../_base_/datasets/coco_896.py', '../_base_/schedules/detection_24e.py'
]
model = _base_.pop('network').detector
