# CDARTS-b with the decoder of its authors on Cityscapes.
# They print 78.1 mIoU, from ImageNet weights.
_base_ = [
    '../_base_/heads/cdarts_seg.py', '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/cityscapes_4000e.py'
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                type='RandomChoiceResize',
                scales=[int(102.4 * i) for i in range(5, 21)],  # the shorter side: 512 to 2048
                resize_type='ResizeShortestEdge',
                max_size=4096),
            dict(type='RandomCrop', crop_size=(512, 1024)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
