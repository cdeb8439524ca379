# EoiNAS on ImageNet (Section IV-D), on one GPU. 48 channels are its authors' code and give the
# 5.0 M of Table II; GDAS, whose network the paper takes, has 50.
_base_ = [
    '../_base_/models/darts_imagenet.py', '../_base_/datasets/imagenet_jitter.py',
    '../_base_/schedules/eoinas-imagenet_250e.py'
]
model = dict(backbone=dict(arch='eoinas_cifar10'))
