# ResNet-50-vd of the authors of PP-NAS, who compare with it, from their ImageNet weights: 3x3 convolutions
# have the strides. 256, 512, 1024 and 2048 channels at strides 4, 8, 16 and 32.
_base_ = './pp-resnet50.py'
__part = dict(
    backbone=dict(
        block='resnet', arch=None, stride_in='conv3x3',
        init_cfg=dict(checkpoint='ppnas://resnet50-vd.imagenet')))
network = dict(detector=__part, segmentor=__part)
