# EoiNAS on Cityscapes (Section V-B): ten cells and a pyramid, half of the training set for the
# weights and half for alpha, crops of 320, 160 epochs on one GPU. What the paper leaves open is
# the authors' code: widths, batch, resize to 512, no flips. Their code differs in its reductions
# (model.model.backbone.reductions=[3,6]), its 90 epochs, with prunings after 30, 40, ..., 90, alpha's
# rate (3e-3), gradients clipped to 5, and a pyramid without ReLU in two branches, fused by a 1x1
# convolution (mmseg: 3x3).
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/cityscapes_512x1024.py']
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        _delete_=True,
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            size=(320, 320),
            pad_val=0,
            seg_pad_val=255),
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, variant='segmentation',
            num_cells=10, init_channels=40),
        decode_head=dict(
            type='ASPPHead',
            num_classes=19,
            in_channels=640,
            in_index=2,
            channels=640,
            dilations=(1, 6),
            dropout_ratio=0,
            norm_cfg=dict(type='BN'),
            align_corners=True,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
        train_cfg=dict(),
        test_cfg=dict(mode='whole')),
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=(1024, 512), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(320, 320)),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1024, 512), keep_ratio=True),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
train_cfg = dict(max_epochs=160, val_interval=20)
