# SE-NAS in the mobile space on CIFAR-10, one GPU; the paper holds out 5,000 images of 50,000, but has
# no recipe of this space on CIFAR. Stages, operations and models are as on ImageNet, the optimizer
# of CIFAR (0.1, 5e-4, batch 128); three of its strides of two are left. No limits; for some:
# model.limits=dict(flops=100e6, input_shape=(3, 32, 32))
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.MobileSuperNet', variant='cifar', strides=(1, 2, 2, 1, 2, 1)),
        head=dict(in_channels=1728)),
    first_epochs=100,
    stage_epochs=5,
    drop=10,
    finish_size=1000000,
    threshold=50,
    models_per_op=1000)
