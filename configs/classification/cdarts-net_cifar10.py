# The cell that CDARTS found on CIFAR-10, retrained there (Section 4.3).
_base_ = [
    '../_base_/models/darts-net_cifar10.py', '../_base_/datasets/cifar10_cutout.py',
    '../_base_/schedules/darts-cifar_600e.py'
]
