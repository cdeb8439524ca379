# DeepLabv3+ on PP-ResNet-50 at output stride 16, Cityscapes: the recipe of PP-NAS (Section IV-E).
_base_ = [
    '../_base_/backbones/pp-resnet50-d16.py', '../_base_/heads/deeplabv3plus_cityscapes.py',
    '../_base_/datasets/cityscapes_512x1024.py', '../_base_/schedules/cityscapes_120e.py'
]
model = _base_.pop('network').segmentor
