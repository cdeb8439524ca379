# PP-ResNet-50 (26w x 4s) of the paper, with the architecture found on ImageNet.
# Another one that the authors published: model.backbone.arch='pp_resnet_imagenet_g2'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ppnas_mm.PPResNet', depth=50, arch='pp_resnet_imagenet'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        topk=(1, 5),
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000)))
