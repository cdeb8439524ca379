# PP-ResNet-50 on ImageNet: the paper's standard training (Section IV-C).
_base_ = [
    '../_base_/backbones/pp-resnet50.py', '../_base_/heads/linear_imagenet.py',
    '../_base_/datasets/imagenet.py', '../_base_/schedules/imagenet_120e.py'
]
model = _base_.pop('network').classifier
