# The cell that CDARTS found on CIFAR-10 (its authors' code) in a small network, trained as
# pp-resnet20_cifar10-20k.py.
_base_ = [
    '../_base_/heads/linear_cifar.py', '../_base_/datasets/cifar10-20k.py',
    '../_base_/schedules/cifar-20k_12e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.DARTSNet', arch='cdarts_cifar10', variant='cifar', num_cells=5,
        init_channels=12),
    head=dict(in_channels=192))
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
