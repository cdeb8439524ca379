# CIFAR-100, augmented as in DARTS and CDARTS: random crop, flip, Cutout 16 with the mean colour.
_base_ = './cifar10.py'
data_preprocessor = dict(
    mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], num_classes=100)
train_dataloader = dict(
    dataset=dict(
        type='CIFAR100',
        data_root='data/cifar100',
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='Cutout', shape=16, pad_val=(129, 124, 112), prob=1.0),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
