# PP-ResNet-110 (26w x 4s) of the paper, with the architecture found on CIFAR-10.
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ppnas_mm.PPResNetCIFAR', depth=110, arch='pp_resnet_cifar10'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=1024,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
