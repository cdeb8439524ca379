# DeepLabv3+ on MobileNASNet, VOC 2012, trained as PP-ResNet-50 (PP-NAS, Section IV-E): no recipe
# for it is published. The output stride is 32, so that weights of ImageNet fit.
_base_ = [
    '../_base_/backbones/mobilenas.py', '../_base_/heads/deeplabv3plus_voc12aug.py',
    '../_base_/datasets/voc12aug_512.py', '../_base_/schedules/voc12aug_60e.py'
]
model = _base_.pop('network').segmentor
