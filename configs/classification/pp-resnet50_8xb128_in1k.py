_base_ = [
    '../_base_/models/pp-resnet50.py', '../_base_/datasets/imagenet.py',
    '../_base_/schedules/imagenet_120e.py', '../_base_/runtime.py'
]
