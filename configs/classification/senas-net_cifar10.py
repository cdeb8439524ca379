# Retraining of what search/senas_cifar10.py finds: --genotype FILE, or --retrain; ProxylessNAS-GPU
# stands in. The paper has no recipe for this: it is the standard training of PP-NAS on CIFAR.
_base_ = [
    '../_base_/models/mobilenas.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cifar_200e.py', '../_base_/runtime.py'
]
model = dict(
    backbone=dict(variant='cifar', strides=(1, 2, 2, 1, 2, 1)),
    head=dict(
        num_classes=10,
        topk=(1, ),
        loss=dict(_delete_=True, type='CrossEntropyLoss')))
