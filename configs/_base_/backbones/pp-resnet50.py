# PP-ResNet-50 (26w x 4s) with the architecture that PP-NAS found on ImageNet. 256, 512, 1024 and 2048
# channels at strides 4, 8, 16 and 32.
# Detectors and segmentors start from the ImageNet weights that the authors published. Others, or
# none: model.backbone.init_cfg.checkpoint=FILE, model.backbone.init_cfg=None
# Another architecture of the authors, with its weights: model.backbone.arch=pp_resnet_imagenet_g2
# model.backbone.init_cfg.checkpoint=ppnas://pp_resnet50.imagenet-g2
__network = dict(type='ppnas_mm.PPResNet', depth=50, arch='pp_resnet_imagenet')
__backbone = dict(
    **__network, init_cfg=dict(type='Pretrained', checkpoint='ppnas://pp_resnet50.imagenet'))
network = dict(
    classifier=dict(backbone=__network, head=dict(in_channels=2048)),
    detector=dict(backbone=__backbone, neck=dict(in_channels=[256, 512, 1024, 2048])),
    segmentor=dict(
        backbone=__backbone, decode_head=dict(in_channels=2048, c1_in_channels=256)))
