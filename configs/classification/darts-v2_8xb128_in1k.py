_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(arch='darts_v2'))
