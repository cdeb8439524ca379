# ADE20K (150 classes) in crops of 640; the shorter side is 320 to 960, the longer one at most 960.
# Tests: the shorter side is 640, but the longer one at most 640, so it is the longer one that counts.
_base_ = './masks.py'
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='ADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(
                type='RandomChoiceResize',
                scales=[64 * i for i in range(5, 16)],
                resize_type='ResizeShortestEdge',
                max_size=960),
            dict(type='RandomCrop', crop_size=(640, 640)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
test_pipeline = [  # mmseg.apis read it, too
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(640, 640), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),  # masks keep their size
    dict(type='PackSegInputs'),
]
val_dataloader = test_dataloader = dict(
    dataset=dict(
        type='ADE20KDataset',
        data_root='data/ade/ADEChallengeData2016',
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        pipeline=test_pipeline))
