# PP-ResNet-20 at a quarter of the paper's width, with the architecture that the paper prints for
# CIFAR-10, trained on 20,000 of the images for 12 epochs: about 45 minutes on one CPU core.
_base_ = [
    '../_base_/models/pp-resnet20.py', '../_base_/datasets/cifar10-20k.py',
    '../_base_/schedules/digits_20e.py'
]
train_cfg = dict(max_epochs=12, val_interval=4)
param_scheduler = dict(T_max=12)
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
