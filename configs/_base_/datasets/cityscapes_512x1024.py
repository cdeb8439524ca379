# Cityscapes, fine annotations with train ids (mmseg's tools/dataset_converters/cityscapes.py).
_base_ = './masks.py'
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='CityscapesDataset',
        data_root='data/cityscapes',
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                type='RandomChoice',
                transforms=[[dict(type='Resize', scale_factor=r, keep_ratio=True)]
                            for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)]),
            dict(type='RandomCrop', crop_size=(512, 1024)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        type='CityscapesDataset',
        data_root='data/cityscapes',
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')))
