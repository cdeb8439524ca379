# PP-NAS inside a DeepLabv3+, on digit scenes: the search on the downstream task itself.
_base_ = ['../_base_/datasets/digit_scenes_masks.py', '../_base_/runtime.py']
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='ppnas_mm.PPNAS',
    model=dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(160, 160),
            pad_val=0, seg_pad_val=255, test_cfg=dict(size=(160, 160))),
        backbone=dict(
            type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=20, stem_channels=16,
            base_channels=16, strides=(2, 2, 2)),
        decode_head=dict(
            type='ppnas_mm.DeepLabV3PlusHead',
            num_classes=11,
            in_channels=256,
            in_index=2,
            channels=64,
            dilations=(1, 2, 4, 6),
            c1_in_channels=64,
            c1_channels=16,
            dropout_ratio=0,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
        train_cfg=dict(),
        test_cfg=dict(mode='whole')))
# The paper's Adam learning rate, 1e-3, moves alpha too slowly for 600 steps: 3e-2 here.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.3, momentum=0.9, weight_decay=1e-4, nesterov=True),
        clip_grad=dict(max_norm=10)),
    arch=dict(optimizer=dict(type='Adam', lr=3e-2, betas=(0.9, 0.999))))
param_scheduler = dict(arch=[], weights=[
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=11, by_epoch=True, begin=1, end=12,
        convert_to_iter_based=True),
])
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=12)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=50))
