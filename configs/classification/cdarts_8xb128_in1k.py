# The cell that CDARTS found on ImageNet, retrained there (Section 4.4).
_base_ = [
    '../_base_/models/darts_imagenet.py', '../_base_/datasets/imagenet_jitter.py',
    '../_base_/schedules/darts-imagenet_250e.py'
]
