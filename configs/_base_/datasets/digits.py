# scikit-learn's 1,797 handwritten digits: 1,437 to train on, 360 to test on.
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=False, num_classes=10)
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(
        type='ppnas_mm.Digits',
        split='train',
        pipeline=[
            dict(type='RandomCrop', crop_size=16, padding=2),
            dict(type='PackInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    batch_size=180,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ppnas_mm.Digits',
        split='test',
        pipeline=[dict(type='Resize', scale=16), dict(type='PackInputs')]))
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1, ))
