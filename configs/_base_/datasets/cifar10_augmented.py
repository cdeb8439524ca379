# CIFAR-10, the augmentation of the paper's search and of its augmented retraining.
_base_ = './cifar10.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='ppnas_mm.CIFARAutoAugment'),
            dict(type='Cutout', shape=16, pad_val=128, prob=1.0),
            dict(type='PackInputs'),
        ]))
