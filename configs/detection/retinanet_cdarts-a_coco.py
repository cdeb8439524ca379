# CDARTS' authors print 35.2 AP, from ImageNet weights.
_base_ = [
    '../_base_/models/retinanet_cdarts-a.py', '../_base_/datasets/coco_1333x800.py',
    '../_base_/schedules/detection_12e.py', '../_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
