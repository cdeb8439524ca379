# ImageNet-1k, augmented as in DARTS and CDARTS, 224 x 224. Batch 1024 is 8 GPUs x 128 images.
_base_ = './imagenet.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=224),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
            dict(type='PackInputs'),
        ]))
