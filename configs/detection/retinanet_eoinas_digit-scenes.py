# RetinaNet on digit scenes with EoiNAS' cell of CIFAR-10, from scratch.
_base_ = './retinanet_darts_digit-scenes.py'
model = dict(backbone=dict(arch='eoinas_cifar10'))
