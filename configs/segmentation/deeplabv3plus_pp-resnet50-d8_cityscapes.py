_base_ = [
    '../_base_/models/deeplabv3plus_pp-resnet50-d8.py', '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/cityscapes_120e.py', '../_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(data_preprocessor=dict(size=(512, 1024)), decode_head=dict(num_classes=19))
