# Res2Net-50-vd as the authors of PP-NAS built it: 3x3 convolutions have the strides, and an average
# pool for the first group.
_base_ = './pp-resnet50_8xb128_in1k.py'
model = dict(backbone=dict(block='res2net', arch=None, stride_in='conv3x3'))
