# PP-ResNet-110 on CIFAR-10: the paper's standard training (Section IV-A).
_base_ = [
    '../_base_/models/pp-resnet110.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cifar_200e.py'
]
