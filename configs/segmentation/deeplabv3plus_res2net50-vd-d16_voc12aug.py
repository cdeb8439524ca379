# DeepLabv3+ on Res2Net-50-vd at output stride 16, VOC 2012: the recipe of PP-NAS (Section IV-E).
_base_ = [
    '../_base_/backbones/res2net50-vd-d16.py', '../_base_/heads/deeplabv3plus_voc12aug.py',
    '../_base_/datasets/voc12aug_512.py', '../_base_/schedules/voc12aug_60e.py'
]
model = _base_.pop('network').segmentor
