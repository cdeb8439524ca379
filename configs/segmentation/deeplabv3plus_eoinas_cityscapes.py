# EoiNAS' network for Cityscapes (Section V): ten cells, group norms, a DeepLabv3+ decoder of whole
# 3x3 convolutions. The paper prints 80.2 mIoU from ImageNet weights and 72.6 from scratch, and does
# not say whether on val or test. What it leaves open is the authors' code: width, norms, decoder,
# decay. Their code differs in the reductions (model.backbone.reductions=[3,6]), the rate (0.005),
# crops (768), batches (3), epochs (300), the loss (ppnas_mm.OHEMLoss, thresh=0.7, kept=1/16), dropout
# of 0.5 between the decoder's 3x3 convolutions, and the low level: the output of the second cell;
# here that of the first stage, the third cell, of the same stride and width.
_base_ = [
    '../_base_/heads/deeplabv3plus.py', '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/eoinas-cityscapes_90k.py'
]
model = dict(
    data_preprocessor=dict(size=(769, 769)),
    backbone=dict(
        type='ppnas_mm.DARTSNet',
        arch='eoinas_cityscapes',
        # from ImageNet weights of your own: init_cfg=dict(type='Pretrained', checkpoint=FILE)
        variant='segmentation',
        num_cells=10,
        init_channels=48,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=8)),
    decode_head=dict(
        num_classes=19,
        in_channels=768,
        in_index=2,
        dilations=(1, 6, 12, 18),
        c1_in_channels=192,
        separable=False,
        dropout_ratio=0.1,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=8),
        align_corners=True))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            # scales and flips are not stated: those of DeepLabv3+
            dict(
                type='RandomChoice',
                transforms=[[dict(type='Resize', scale_factor=r, keep_ratio=True)]
                            for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)]),
            dict(type='RandomCrop', crop_size=(769, 769)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
