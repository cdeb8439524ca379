# What the data sets of masks share: loaders, the steps of a test, mIoU.
train_dataloader = dict(
    num_workers=4, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=True))
test_pipeline = [  # mmseg.apis read it, too
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
val_dataloader = test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(test_mode=True, pipeline=test_pipeline))
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
