# PP-ResNet-110 on CIFAR-100: the paper's standard training (Section IV-A).
_base_ = [
    '../_base_/models/pp-resnet110.py', '../_base_/datasets/cifar100.py',
    '../_base_/schedules/cifar_200e.py'
]
model = dict(backbone=dict(arch='pp_resnet_cifar100'), head=dict(num_classes=100))
