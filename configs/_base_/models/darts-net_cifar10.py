# DARTSNet as CDARTS retrains it on CIFAR: 20 cells, 36 channels, auxiliary tower (Section 4.3).
_base_ = '../runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='cdarts_cifar10',
        variant='cifar',
        num_cells=20,
        init_channels=36,
        drop_path_rate=0.3,  # authors: 0.2 for networks of less than 3 M parameters
        auxiliary=True,
        out_indices=(2, )),
    head=dict(
        type='ppnas_mm.AuxiliaryClsHead',
        num_classes=10,
        in_channels=576,
        aux_channels=576,
        aux_weight=0.4,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
default_hooks = dict(drop_path=dict(type='ppnas_mm.DropPathHook'))
