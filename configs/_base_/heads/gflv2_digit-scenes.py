# GFLV2 on digit scenes: images, neck and training as retinanet_digit-scenes.py.
_base_ = './retinanet_digit-scenes.py'
model = dict(
    type='GFL',
    neck=dict(add_extra_convs='on_output'),
    bbox_head=dict(
        _delete_=True,
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
        _delete_=True, assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms=dict(iou_threshold=0.6)))
