# PP-NAS on CIFAR-100 as in the paper, Section IV-A: as on CIFAR-10.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar100_augmented.py']
model = dict(
    reduction='sum',
    l2_weight=5e-4,
    model=dict(
        backbone=dict(depth=110, base_width=26),
        head=dict(num_classes=100, in_channels=1024)))
