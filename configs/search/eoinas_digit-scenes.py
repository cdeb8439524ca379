# EoiNAS inside a segmentor, on digit scenes: a small version of eoinas_cityscapes.py, with 40 epochs
# instead of 160, so 5 of warm-up and prunings after 10, 15, ..., 40.
_base_ = ['../_base_/search/bilevel.py', '../_base_/datasets/digit_scenes_masks.py']
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='ppnas_mm.EoiNAS',
    model=dict(
        _delete_=True,
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(160, 160),
            pad_val=0, seg_pad_val=255, test_cfg=dict(size=(160, 160))),
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, variant='segmentation',
            num_cells=6, init_channels=8),
        decode_head=dict(
            type='ASPPHead',
            num_classes=11,
            in_channels=128,
            in_index=2,
            channels=64,
            dilations=(1, 2),
            dropout_ratio=0,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            # nine of ten pixels are ground
            loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
        train_cfg=dict(),
        test_cfg=dict(mode='whole')),
    # nearly all networks have the share of ground as accuracy of the pixels
    accuracy='loss',
    # the defaults; for --cfg-options
    temperature=dict(),
    indicator=dict(),
    chain=dict(),
    slimming=dict())
optim_wrapper = dict(
    weights=dict(
        # with 0.1 the networks drawn never get beyond the ground in so few steps
        optimizer=dict(lr=0.4),
        clip_grad=dict(max_norm=5)),
    # The paper's rate, 3e-4, hardly moves alpha in so few steps.
    arch=dict(optimizer=dict(lr=5e-3)))
train_cfg = dict(max_epochs=40, val_interval=40)
default_hooks = dict(search=dict(recalibrate_batches=25))
