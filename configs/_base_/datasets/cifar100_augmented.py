# CIFAR-100, the augmentation of the paper's search and of its augmented retraining.
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
            dict(type='ppnas_mm.CIFARAutoAugment'),
            dict(type='Cutout', shape=16, pad_val=128, prob=1.0),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
