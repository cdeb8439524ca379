# A cell of cdarts_cifar10-20k.py, trained on the same 20,000 images of 16 x 16 for 20 epochs.
_base_ = [
    '../_base_/models/darts-net_digits.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/digits_20e.py', '../_base_/runtime.py'
]
model = dict(backbone=dict(num_cells=3))
train_dataloader = dict(
    batch_size=96,
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='Resize', scale=16),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    num_workers=0,
    dataset=dict(
        type='ppnas_mm.PartialCIFAR10',
        batches=2,
        pipeline=[
            dict(type='ppnas_mm.RGBFromFile'),
            dict(type='Resize', scale=16),
            dict(type='PackInputs'),
        ]))
default_hooks = dict(channels_last=dict(type='ppnas_mm.ChannelsLastHook'))
