# RetinaNet on EoiNAS' ImageNet network, trained as CDARTS' detectors; EoiNAS has no detectors.
_base_ = './retinanet_cdarts-a_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.DARTSNet',
        arch='eoinas_cifar10',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        variant='imagenet',
        num_cells=14,
        init_channels=48,
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    neck=dict(in_channels=[48, 192, 384, 768]))
