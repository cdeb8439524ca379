# Retraining of what search/senas_cifar10.py finds: --genotype FILE, or --retrain; ProxylessNAS-GPU
# stands in. The paper has no recipe for this: it is the standard training of PP-NAS on CIFAR.
_base_ = [
    '../_base_/heads/linear_cifar.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cifar_200e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.MobileNASNet',
        arch='proxylessnas_gpu',
        variant='cifar',
        strides=(1, 2, 2, 1, 2, 1)),
    head=dict(in_channels=1728))
