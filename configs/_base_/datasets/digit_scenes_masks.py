# Digit scenes, 160x160: python tools/make_digit_scenes.py --out data/digit_scenes
# BaseSegDataset, because the 11 classes are neither VOC's nor Cityscapes'.
_base_ = './masks.py'
__metainfo = dict(
    classes=('ground', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'),
    palette=[[0, 0, 0], [230, 25, 75], [60, 180, 75], [255, 225, 25], [0, 130, 200], [245, 130, 48],
             [145, 30, 180], [70, 240, 240], [240, 50, 230], [210, 245, 60], [250, 190, 190]])
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(
        type='BaseSegDataset',
        data_root='data/digit_scenes/voc',
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        img_suffix='.jpg',
        seg_map_suffix='.png',
        metainfo=__metainfo,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomResize', scale=(160, 160), ratio_range=(0.8, 1.25), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(160, 160)),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = test_dataloader = dict(
    batch_size=10,
    num_workers=0,
    dataset=dict(
        type='BaseSegDataset',
        data_root='data/digit_scenes/voc',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        img_suffix='.jpg',
        seg_map_suffix='.png',
        metainfo=__metainfo))
