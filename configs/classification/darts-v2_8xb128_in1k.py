# The second-order cell of DARTS on ImageNet, trained as CDARTS' cell.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(arch='darts_v2'))
