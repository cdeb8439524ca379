# The mobile setting (Section 4.4): 44 channels.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(init_channels=44), head=dict(in_channels=704, aux_channels=704))
