_base_ = [
    '../_base_/models/retinanet_pp-resnet50.py', '../_base_/datasets/voc0712_640.py',
    '../_base_/schedules/detection_24e.py', '../_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
model = dict(data_preprocessor=dict(pad_size_divisor=640), bbox_head=dict(num_classes=20))
