# The big model of CDARTS (Section 4.6.2): 50 channels, 2000 epochs, AutoAugment and Mixup.
# The ratio of Mixup is not stated; the statistics are those of CDARTS' other CIFAR configs.
_base_ = [
    '../_base_/models/darts-net_cifar10.py', '../_base_/datasets/cifar10_augmented.py',
    '../_base_/schedules/darts-cifar_600e.py'
]
model = dict(
    backbone=dict(init_channels=50),
    head=dict(in_channels=800, aux_channels=800, loss=dict(use_soft=True)),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
data_preprocessor = dict(std=[62.985, 62.0925, 66.7050])
param_scheduler = dict(T_max=2000)
train_cfg = dict(max_epochs=2000)
