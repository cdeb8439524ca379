# A cell that senas_nasbench201-20k.py found (seed 0), two cells a stage, trained as
# pp-resnet20_cifar10-20k.py.
_base_ = [
    '../_base_/heads/linear_cifar.py', '../_base_/datasets/cifar10-20k.py',
    '../_base_/schedules/cifar-20k_12e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.NASBench201Net',
        arch='{{fileDirname}}/../../model_zoo/senas-net_cifar10-20k/senas.cifar10-20k.json',
        cells_per_stage=2),
    head=dict(in_channels=64))
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
