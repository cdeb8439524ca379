# GFLV2 as the authors of PP-NAS train it; the official one has GroupNorm, Scale and DFL weight 0.25.
_base_ = ['../runtime.py', './fpn.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
model = dict(
    type='GFL',
    neck=dict(add_extra_convs='on_output'),
    bbox_head=dict(
        type='ppnas_mm.GFLV2Head',
        num_classes=80,
        in_channels=256,
        feat_channels=256,
        stacked_convs=4,
        reg_max=16,
        reg_topk=4,
        reg_channels=64,
        add_mean=True,
        separate_bn=True,
        use_scale=False,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=8, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32, 64, 128]),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_dfl=dict(type='DistributionFocalLoss', loss_weight=1.0)),
    train_cfg=dict(
        assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1),
    # the paper keeps 5,000 boxes over all levels; mmdet counts for each of the five
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=100))
