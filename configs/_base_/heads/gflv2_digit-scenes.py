# GFLV2 on digit scenes: 64 channels, three levels.
_base_ = '../runtime.py'
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
model = dict(
    type='GFL',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, pad_size_divisor=32),
    neck=dict(
        type='FPN', out_channels=64, add_extra_convs='on_output', num_outs=3,
        norm_cfg=dict(type='BN'), no_norm_on_lateral=True, relu_before_extra_convs=True),
    bbox_head=dict(
        type='ppnas_mm.GFLV2Head',
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        separate_bn=True,
        use_scale=False,
        norm_cfg=dict(type='BN'),
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=8, scales_per_octave=1, ratios=[1.0],
            strides=[4, 8, 16]),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_dfl=dict(type='DistributionFocalLoss', loss_weight=1.0)),
    train_cfg=dict(
        assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1,
        pos_weight=-1),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=100))
