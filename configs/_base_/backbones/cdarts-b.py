# CDARTS-b, a chain of mobile blocks, in the reading of its authors' code.
# 24, 40, 96 and 960 channels at strides 4, 8, 16 and 32.
_base_ = './cdarts-a.py'
__part = dict(backbone=dict(arch='cdarts_b'))
network = dict(detector=__part, segmentor=__part)
