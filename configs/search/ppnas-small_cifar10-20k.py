# PP-NAS in the network of pp-resnet20-small_cifar10-20k.py: some minutes of one CPU core. So few
# steps need a larger rate of the architecture than the paper's 1e-3.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    model=dict(
        backbone=dict(depth=20, stem_channels=8, base_channels=8), head=dict(in_channels=128)))
optim_wrapper = dict(arch=dict(optimizer=dict(lr=5e-3)))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=6, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=6, val_interval=6)
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
