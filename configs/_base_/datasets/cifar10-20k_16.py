# 20,000 images of CIFAR-10, scaled to 16 x 16: crop and flip, batches of 64.
_base_ = './cifar10.py'
train_dataloader = dict(
    batch_size=64,
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
        pipeline=[dict(type='Resize', scale=16), dict(type='PackInputs')]))
