# PP-NAS inside a RetinaNet, on digit scenes: the search on the downstream task itself.
_base_ = ['../_base_/datasets/digit_scenes_coco.py', '../_base_/runtime.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
model = dict(
    type='ppnas_mm.PPNAS',
    model=dict(
        type='RetinaNet',
        data_preprocessor=dict(
            type='DetDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, pad_size_divisor=32),
        backbone=dict(
            type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=20, stem_channels=16,
            base_channels=16, strides=(2, 2, 2),
            out_indices=(1, 2)),
        neck=dict(
            type='FPN', in_channels=[128, 256], out_channels=64, add_extra_convs='on_input', num_outs=3,
            norm_cfg=dict(type='BN'), no_norm_on_lateral=True, relu_before_extra_convs=True),
        bbox_head=dict(
            type='RetinaSepBNHead',
            num_classes=10,
            num_ins=3,
            in_channels=64,
            feat_channels=64,
            stacked_convs=2,
            norm_cfg=dict(type='BN'),
            anchor_generator=dict(
                type='AnchorGenerator', octave_base_scale=4, scales_per_octave=2,
                ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16]),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(
                type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
        train_cfg=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
            sampler=dict(type='PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1),
        test_cfg=dict(
            nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=100)))
# The paper's Adam learning rate, 1e-3, moves alpha too slowly for 400 steps: 3e-2 here.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4, nesterov=True),
        clip_grad=dict(max_norm=10)),
    arch=dict(optimizer=dict(type='Adam', lr=3e-2, betas=(0.9, 0.999))))
param_scheduler = dict(arch=[], weights=[
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=7, by_epoch=True, begin=1, end=8,
        convert_to_iter_based=True),
])
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=8)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=50))
