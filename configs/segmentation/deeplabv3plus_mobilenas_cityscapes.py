# DeepLabv3+ on MobileNASNet, trained as PP-NAS' segmentors; SE-NAS has none. The output stride is 32,
# so that weights of ImageNet fit; the decoder's dilations are half of those for 16.
_base_ = './deeplabv3plus_pp-resnet50-d8_cityscapes.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(in_channels=1728, dilations=(1, 3, 6, 9), c1_in_channels=32))
