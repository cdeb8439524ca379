# DeepLabv3+ on CDARTS-a, Cityscapes, trained as PP-ResNet-50 (PP-NAS, Section IV-E): no recipe for
# it is published. The output stride is 32, so that weights of ImageNet fit.
_base_ = [
    '../_base_/backbones/cdarts-a.py', '../_base_/heads/deeplabv3plus_cityscapes.py',
    '../_base_/datasets/cityscapes_512x1024.py', '../_base_/schedules/cityscapes_120e.py'
]
model = _base_.pop('network').segmentor
