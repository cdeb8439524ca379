# CDARTS-b in the reading of its authors' code; the paper prints 78.2 % top-1. Other readings:
# model.backbone.arch=cdarts_b_fig7 or cdarts_b_4.
_base_ = './cdarts-a_8xb128-350e_in1k.py'
model = dict(backbone=dict(arch='cdarts_b'))
