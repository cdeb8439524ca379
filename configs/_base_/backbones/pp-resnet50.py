# PP-ResNet-50 (26w x 4s) with the architecture that PP-NAS found on ImageNet. 256, 512, 1024 and 2048
# channels at strides 4, 8, 16 and 32.
# Another one that the authors published: model.backbone.arch=pp_resnet_imagenet_g2
# ImageNet weights of your own: model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)
__backbone = dict(type='ppnas_mm.PPResNet', depth=50, arch='pp_resnet_imagenet')
network = dict(
    classifier=dict(backbone=__backbone, head=dict(in_channels=2048)),
    detector=dict(backbone=__backbone, neck=dict(in_channels=[256, 512, 1024, 2048])),
    segmentor=dict(
        backbone=__backbone, decode_head=dict(in_channels=2048, c1_in_channels=256)))
