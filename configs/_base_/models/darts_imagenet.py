# DARTSNet as CDARTS retrains it on ImageNet: 14 cells, 48 channels, auxiliary tower (Section 4.4).
# Authors: norms synchronised over the GPUs, sync_bn='torch'
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_imagenet',
        variant='imagenet',
        num_cells=14,
        init_channels=48,
        auxiliary=True,
        out_indices=(3, )),
    head=dict(
        type='ppnas_mm.AuxiliaryClsHead',
        variant='imagenet',
        num_classes=1000,
        in_channels=768,
        aux_channels=768,
        aux_weight=0.4,
        topk=(1, 5),
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000)))
