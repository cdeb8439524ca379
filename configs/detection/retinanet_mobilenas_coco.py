# RetinaNet on MobileNASNet, trained as CDARTS' detectors; SE-NAS has no detectors.
_base_ = './retinanet_cdarts-a_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    neck=dict(in_channels=[32, 56, 128, 1728]))
