_base_ = [
    '../_base_/models/retinanet_pp-resnet50.py', '../_base_/datasets/coco_896.py',
    '../_base_/schedules/detection_24e.py', '../_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
