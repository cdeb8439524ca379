# ImageNet-1k, the paper's augmented setting: RandAugment with 2 layers of magnitude 10, training at
# 160 x 160, test at 224 x 224 without fine-tuning. 8 GPUs x 128 images.
# The ranges at magnitude 10 are those of the authors' library (EfficientNetV2's). mmpretrain's
# policies='timm_increasing' is no substitute: its magnitude 10 posterizes to 0 bits, a black image.
_base_ = './imagenet.py'
train_dataloader = dict(
    dataset=dict(
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
