# DeepLabv3+ on PP-ResNet-50 at output stride 8, Cityscapes, with the 90 epochs of the paper's text:
# 33k iterations (it says 45k; see cityscapes_120e.py).
_base_ = [
    '../_base_/backbones/pp-resnet50-d8.py', '../_base_/heads/deeplabv3plus_cityscapes.py',
    '../_base_/datasets/cityscapes_512x1024.py', '../_base_/schedules/cityscapes_90e.py'
]
model = _base_.pop('network').segmentor
