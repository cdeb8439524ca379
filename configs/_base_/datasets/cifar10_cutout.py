# CIFAR-10, augmented as in DARTS and CDARTS: random crop, flip, Cutout 16 with the mean colour.
_base_ = './cifar10.py'
data_preprocessor = dict(std=[62.985, 62.0925, 66.7050])
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='Cutout', shape=16, pad_val=(125, 123, 114), prob=1.0),
            dict(type='PackInputs'),
        ]))
