_base_ = [
    '../_base_/models/pp-resnet110.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cifar_200e.py'
]
