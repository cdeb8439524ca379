# PASCAL VOC 2012 with the masks of SBD: 10,582 images (mmseg's tools/dataset_converters/voc_aug.py).
# The image itself is scaled by 0.5 to 2 (mmseg's base would first bring its short side to 512).
_base_ = './masks.py'
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='PascalVOCDataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/trainaug.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                type='RandomChoice',
                transforms=[[dict(type='Resize', scale_factor=r, keep_ratio=True)]
                            for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)]),
            dict(type='RandomCrop', crop_size=(512, 512)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        type='PascalVOCDataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass')))
