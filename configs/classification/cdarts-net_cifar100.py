# CDARTS' cell of CIFAR-10 on CIFAR-100 (Section 4.3).
_base_ = [
    '../_base_/models/darts-net_cifar10.py', '../_base_/datasets/cifar100_cutout.py',
    '../_base_/schedules/darts-cifar_600e.py'
]
model = dict(head=dict(num_classes=100))
