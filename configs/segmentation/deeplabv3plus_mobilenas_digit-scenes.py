# DeepLabv3+ on digit scenes with a MobileNASNet of half the width, from scratch. One stride is left
# out: output stride 16.
_base_ = './deeplabv3plus_pp-resnet_digit-scenes.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        width=0.5,
        strides=(2, 2, 2, 1, 1, 1),
        last_channels=96),
    decode_head=dict(in_channels=96, dilations=(1, 2, 3), c1_in_channels=16))
