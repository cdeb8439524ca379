# DeepLabv3+ on PP-ResNet-50 at output stride 8, VOC 2012: the recipe of PP-NAS (Section IV-E).
_base_ = [
    '../_base_/backbones/pp-resnet50-d8.py', '../_base_/heads/deeplabv3plus_voc12aug.py',
    '../_base_/datasets/voc12aug_512.py', '../_base_/schedules/voc12aug_60e.py'
]
model = _base_.pop('network').segmentor
