# Cityscapes, fine annotations with train ids (mmseg's tools/dataset_converters/cityscapes.py).
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
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
test_pipeline = [  # mmseg.apis read it, too
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
val_dataloader = test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset',
        data_root='data/cityscapes',
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
