# The cell that CDARTS published for ImageNet, 14 times, from 48 channels on.
# 48, 192, 384 and 768 channels at strides 4, 8, 16 and 32.
# ImageNet weights of your own: model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)
__backbone = dict(
    type='ppnas_mm.DARTSNet',
    arch='cdarts_imagenet',
    variant='imagenet',
    num_cells=14,
    init_channels=48)
network = dict(
    detector=dict(backbone=__backbone, neck=dict(in_channels=[48, 192, 384, 768])),
    segmentor=dict(
        backbone=__backbone, decode_head=dict(in_channels=768, c1_in_channels=48)))
