# RetinaNet as the authors of PP-NAS train it: norms everywhere, separate ones for each level.
_base_ = ['../runtime.py', './fpn.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
model = dict(
    type='RetinaNet',
    neck=dict(add_extra_convs='on_input'),
    bbox_head=dict(
        type='RetinaSepBNHead',
        num_classes=80,
        num_ins=5,
        in_channels=256,
        feat_channels=256,
        stacked_convs=4,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128]),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4),
        loss_cls=dict(
            type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
            ignore_iof_thr=-1),
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1),
    # the paper keeps 5,000 boxes over all levels; mmdet counts for each of the five
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=100))
