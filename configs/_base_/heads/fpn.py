# What both detectors of PP-NAS have in front of their heads: images, norms of the backbone, pyramid.
model = dict(
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=896),  # pads to the square, after normalisation, also in tests
    backbone=dict(
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_eval=False,
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    neck=dict(
        type='FPN',
        out_channels=256,
        start_level=1,
        num_outs=5,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        no_norm_on_lateral=True,
        relu_before_extra_convs=True))
