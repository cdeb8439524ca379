# ImageNet-1k, the paper's augmented setting: RandAugment with 2 layers of magnitude 10, training at
# 160 x 160, test at 224 x 224 without fine-tuning. 8 GPUs x 128 images.
# The ranges at magnitude 10 are those of the authors' library (EfficientNetV2's). mmpretrain's
# policies='timm_increasing' is no substitute: its magnitude 10 posterizes to 0 bits, a black image.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True, num_classes=1000)
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(
        type='ImageNet',
        data_root='data/imagenet',
        split='train',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=160),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(
                type='RandAugment',
                num_policies=2,
                magnitude_level=10,
                total_level=10,
                hparams=dict(pad_val=128),
                policies=[
                    dict(type='AutoContrast'),
                    dict(type='Equalize'),
                    dict(type='Invert'),
                    dict(type='Rotate', magnitude_range=(0, 30)),
                    dict(type='Posterize', magnitude_range=(8, 4)),
                    dict(type='Solarize', magnitude_range=(0, 256)),
                    dict(type='SolarizeAdd', magnitude_range=(0, 110)),
                    dict(type='ColorTransform', magnitude_range=(0, 0.9)),
                    dict(type='Contrast', magnitude_range=(0, 0.9)),
                    dict(type='Brightness', magnitude_range=(0, 0.9)),
                    dict(type='Sharpness', magnitude_range=(0, 0.9)),
                    dict(type='Shear', magnitude_range=(0, 0.3), direction='horizontal'),
                    dict(type='Shear', magnitude_range=(0, 0.3), direction='vertical'),
                    dict(type='Translate', magnitude_range=(0, 0.45), direction='horizontal'),
                    dict(type='Translate', magnitude_range=(0, 0.45), direction='vertical'),
                    dict(type='Cutout', magnitude_range=(0, 40)),
                ]),
            dict(type='PackInputs'),
        ]))
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet',
        data_root='data/imagenet',
        split='val',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=256, edge='short'),
            dict(type='CenterCrop', crop_size=224),
            dict(type='PackInputs'),
        ]))
val_evaluator = dict(type='Accuracy', topk=(1, 5))
val_cfg = dict()
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict()
