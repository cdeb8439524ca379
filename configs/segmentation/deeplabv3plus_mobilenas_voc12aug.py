# As deeplabv3plus_mobilenas_cityscapes.py: output stride 32, half the dilations of 16.
_base_ = './deeplabv3plus_pp-resnet50-d8_voc12aug.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(in_channels=1728, dilations=(1, 3, 6, 9), c1_in_channels=32))
