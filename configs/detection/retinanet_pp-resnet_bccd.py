# RetinaNet on BCCD: 364 images of blood cells, boxes as in PASCAL VOC. For boxes of your own see
# docs/tutorials/own_detection_data.md. Data elsewhere: --cfg-options data_root=D
# Other classes: metainfo.classes of the three sets, and model.bbox_head.num_classes.
_base_ = './retinanet_pp-resnet_digit-scenes.py'
# red cells are 50 pixels wide at this size, platelets 20, white cells 100
model = dict(
    neck=dict(num_outs=4),
    bbox_head=dict(num_classes=3, num_ins=4, anchor_generator=dict(strides=[4, 8, 16, 32])))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type='XMLDataset',
        data_root='data/BCCD',
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomResize', scale=(320, 240), ratio_range=(0.8, 1.25), keep_ratio=True),
            dict(
                type='RandomCrop', crop_type='absolute', crop_size=(320, 240),
                allow_negative_crop=True),
            dict(type='FilterAnnotations', min_gt_bbox_wh=(4, 4), keep_empty=False),
            dict(
                type='RandomFlip', prob=[0.25, 0.25, 0.25],
                direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
        ]))
__test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 240), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')),
]
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='XMLDataset',
        data_root='data/BCCD',
        ann_file='ImageSets/Main/val.txt',
        data_prefix=dict(sub_data_root=''),
        test_mode=True,
        metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
        pipeline=__test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='XMLDataset',
        data_root='data/BCCD',
        ann_file='ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root=''),
        test_mode=True,
        metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
        pipeline=__test_pipeline))
# without an annotation file CocoMetric reads the boxes from the images' 'instances'
val_evaluator = test_evaluator = [
    dict(type='VOCMetric', metric='mAP', eval_mode='area'),
    dict(type='CocoMetric', metric='bbox'),
]
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=5, by_epoch=True, begin=1, end=6,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=6, val_interval=2)
