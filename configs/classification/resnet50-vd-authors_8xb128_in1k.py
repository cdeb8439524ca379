# ResNet-50-vd as the authors of PP-NAS built it: 3x3 convolutions have the strides.
_base_ = './resnet50-vd_8xb128_in1k.py'
model = dict(backbone=dict(stride_in='conv3x3'))
