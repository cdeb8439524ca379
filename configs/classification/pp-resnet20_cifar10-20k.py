# PP-ResNet-20 at a quarter of the paper's width, with the architecture that the paper prints for
# CIFAR-10, trained on 20,000 of the images for 12 epochs: about 45 minutes on one CPU core.
_base_ = [
    '../_base_/models/pp-resnet20.py', '../_base_/datasets/cifar10-20k.py',
    '../_base_/schedules/cifar-20k_12e.py'
]
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
