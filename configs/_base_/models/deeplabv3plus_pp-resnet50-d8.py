# DeepLabv3+ as the authors of PP-NAS build it, at output stride 8: the blocks of the last stage
# have dilations 2, 8, 16.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(512, 512),  # pads to the crop, after normalisation: the mean colour
        pad_val=0,
        seg_pad_val=255),
    pretrained=None,
    backbone=dict(
        type='ppnas_mm.PPResNet',
        depth=50,
        arch='pp_resnet_imagenet',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        multi_grid=(1, 2, 4),
        norm_eval=False,
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(
        type='ppnas_mm.DeepLabV3PlusHead',
        num_classes=21,
        in_channels=2048,
        in_index=3,
        channels=256,
        dilations=(1, 12, 24, 36),
        c1_in_channels=256,
        c1_channels=48,
        dropout_ratio=0,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0)),
    auxiliary_head=None,
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
