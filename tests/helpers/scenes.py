"""Small runs of the digit-scene configs, for the tests of the tools."""

from pathlib import Path

from tool import ROOT

DETECTION = ROOT / 'configs/detection/retinanet_pp-resnet_digit-scenes.py'
SEGMENTATION = ROOT / 'configs/segmentation/deeplabv3plus_pp-resnet_digit-scenes.py'
SMALL = [
    'model.backbone.base_channels=8',
    'model.backbone.stem_channels=8',
    'model.backbone.init_cfg=None',
    'train_dataloader.batch_size=2',
    'train_cfg.max_epochs=2',
]


def detection_data(scenes: Path) -> list[str]:
    """The options that point a detection config to a folder of scenes."""
    roots = [f'{part}_dataloader.dataset.data_root={scenes}' for part in ('train', 'val')]
    return [*roots, f'val_evaluator.ann_file={scenes}/coco/annotations/instances_val.json']


def segmentation_data(scenes: Path) -> list[str]:
    """The options that point a segmentation config to a folder of scenes."""
    return [f'{part}_dataloader.dataset.data_root={scenes}/voc' for part in ('train', 'val')]


def detection(scenes: Path) -> list[str]:
    """The options of a small detector on a folder of scenes."""
    return [*detection_data(scenes), *SMALL, 'model.neck.in_channels=[64,128]']


def segmentation(scenes: Path) -> list[str]:
    """The options of a small segmentor on a folder of scenes."""
    head = ['model.decode_head.in_channels=128', 'model.decode_head.c1_in_channels=32']
    return [*segmentation_data(scenes), *SMALL, *head]
