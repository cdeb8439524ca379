# DeepLabv3+ on Res2Net-50-vd at output stride 8, Cityscapes: the recipe of PP-NAS (Section IV-E).
_base_ = [
    '../_base_/backbones/res2net50-vd-d8.py', '../_base_/heads/deeplabv3plus_cityscapes.py',
    '../_base_/datasets/cityscapes_512x1024.py', '../_base_/schedules/cityscapes_120e.py'
]
model = _base_.pop('network').segmentor
