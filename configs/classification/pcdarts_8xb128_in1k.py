# The cell that PC-DARTS found on ImageNet, trained as CDARTS' cell.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(arch='pcdarts_imagenet'))
