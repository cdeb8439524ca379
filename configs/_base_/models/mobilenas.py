# MobileNASNet of SE-NAS (Table 2). Its architectures are not published as data: ProxylessNAS-GPU, of
# the same space, stands in; --genotype or --retrain puts another one in its place.
# Label smoothing is AngleNAS' code, whose training setting the paper follows.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ppnas_mm.MobileNASNet', arch='proxylessnas_gpu'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=1728,
        topk=(1, 5),
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000)))
