# The network of deeplabv3plus_eoinas_digit-scenes.py with a fixed cell: that of DARTS.
_base_ = './deeplabv3plus_eoinas_digit-scenes.py'
model = dict(backbone=dict(arch='darts_v2'))
