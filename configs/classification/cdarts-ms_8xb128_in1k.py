# The mobile setting of CDARTS (Section 4.4): 44 channels. The paper prints 571 M multiply-adds; convolutions
# and classifier of its published cell count 605 M, more than the 600 M of that setting.
_base_ = './cdarts_8xb128_in1k.py'
model = dict(backbone=dict(init_channels=44), head=dict(in_channels=704, aux_channels=704))
