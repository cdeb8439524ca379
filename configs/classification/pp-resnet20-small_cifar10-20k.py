# PP-ResNet-20 with 8 channels, trained for 6 epochs on 20,000 CIFAR-10 images of 16 x 16: two
# minutes of one CPU core that computes in bfloat16, for tables of many architectures.
_base_ = [
    '../_base_/models/pp-resnet20.py', '../_base_/datasets/cifar10-20k_16.py',
    '../_base_/schedules/cifar_200e.py'
]
model = dict(backbone=dict(stem_channels=8, base_channels=8), head=dict(in_channels=128))
optim_wrapper = dict(type='ppnas_mm.BFloat16OptimWrapper')
param_scheduler = dict(T_max=6)
train_cfg = dict(max_epochs=6, val_interval=6)
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
