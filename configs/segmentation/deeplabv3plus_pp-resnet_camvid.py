# DeepLabv3+ on CamVid: street scenes, 11 classes, 11 = void. For masks of your own see
# docs/tutorials/own_segmentation_data.md. Data elsewhere: --cfg-options data_root=D
# The test set is the validation set.
# Other classes: metainfo of the three sets, model.decode_head.num_classes, and the void label (11
# here, 255 in most data): seg_pad_val, and ignore_index of the head and of both evaluators.
_base_ = './deeplabv3plus_pp-resnet_digit-scenes.py'
model = dict(
    data_preprocessor=dict(
        size=(192, 192), seg_pad_val=11, test_cfg=dict(_delete_=True, size_divisor=8)),
    decode_head=dict(
        num_classes=11, ignore_index=11,
        loss_decode=dict(class_weight=None, avg_non_ignore=True)))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.01))
__metainfo = dict(
    classes=(
        'Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car',
        'Pedestrian', 'Bicyclist'),
    palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222],
             [128, 128, 0], [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0],
             [0, 128, 192]])
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root='data/camvid',
        data_prefix=dict(img_path='images/train', seg_map_path='annotations/train'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=__metainfo,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomResize', scale=(256, 192), ratio_range=(0.75, 1.5), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(192, 192)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
test_pipeline = [  # mmseg.apis read it, too
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 192), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
val_dataloader = test_dataloader = dict(
    batch_size=1,  # images of several sizes cannot share a batch in tests
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root='data/camvid',
        data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'),
        img_suffix='.png',
        seg_map_suffix='.png',
        test_mode=True,
        metainfo=__metainfo,
        pipeline=test_pipeline))
val_evaluator = dict(ignore_index=11)
test_evaluator = dict(ignore_index=11)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=95, by_epoch=True, begin=5, end=100,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=100, val_interval=20)
