# MobileNASNet of SE-NAS (Table 2): 32, 56, 128 and 1728 channels at strides 4, 8, 16 and 32.
# Its architectures are not published as data: ProxylessNAS-GPU, of the same space, stands in;
# --genotype or --retrain puts another one in its place.
# ImageNet weights of your own: model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)
__backbone = dict(type='ppnas_mm.MobileNASNet', arch='proxylessnas_gpu')
network = dict(
    classifier=dict(backbone=__backbone, head=dict(in_channels=1728)),
    detector=dict(backbone=__backbone, neck=dict(in_channels=[32, 56, 128, 1728])),
    segmentor=dict(
        backbone=__backbone, decode_head=dict(in_channels=1728, c1_in_channels=32)))
