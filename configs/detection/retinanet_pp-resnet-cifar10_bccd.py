# RetinaNet on BCCD from the backbone of pp-resnet20_cifar10-20k.py, photographs instead of digits.
_base_ = './retinanet_pp-resnet_bccd.py'
model = dict(
    data_preprocessor=dict(
        mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255], bgr_to_rgb=True),
    backbone=dict(
        arch='pp_resnet_cifar10', init_cfg=dict(checkpoint='ppnas://pp_resnet20.cifar10-20k')))
