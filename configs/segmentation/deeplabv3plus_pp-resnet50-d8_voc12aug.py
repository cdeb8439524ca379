_base_ = [
    '../_base_/models/deeplabv3plus_pp-resnet50-d8.py', '../_base_/datasets/voc12aug_512.py',
    '../_base_/schedules/voc12aug_60e.py', '../_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
# no side of a VOC image is above 500: tests pad it to 512 and crop the prediction
model = dict(data_preprocessor=dict(test_cfg=dict(size=(512, 512))))
