# Retraining of what search/senas_digits.py finds: --genotype FILE, or --retrain. As it stands it
# trains 3x3 blocks of expansion 3 everywhere.
_base_ = [
    '../_base_/heads/linear_cifar.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.MobileNASNet',
        arch=dict(
            schema=1,
            space='mobile',
            cells=[
                dict(
                    name=f'stage{stage}',
                    inputs=1,
                    nodes=[[dict(op='mbconv_3x3_e3', sources=[i])] for i in range(depth)])
                for stage, depth in enumerate((2, 2, 2, 2, 2, 1), 1)
            ]),
        variant='cifar',
        strides=(1, 2, 2, 1, 1, 1),
        width=0.25,
        last_channels=128),
    head=dict(in_channels=128))
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
