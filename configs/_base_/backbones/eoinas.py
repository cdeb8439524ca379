# EoiNAS' network for ImageNet: the cell found on CIFAR-10, 14 times, from 48 channels on.
# 48, 192, 384 and 768 channels at strides 4, 8, 16 and 32.
_base_ = './cdarts.py'
__part = dict(backbone=dict(arch='eoinas_cifar10'))
network = dict(detector=__part, segmentor=__part)
