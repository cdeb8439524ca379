"""Two steps of detectors and segmentors of the libraries with a backbone of this package."""

import json
from pathlib import Path
from typing import Any

import pytest
from tool import call

from ppnas_mm.datasets.digit_scenes import write_scenes

DETECTION = """_base_ = 'mmdet::{path}'
_resize = dict(type='Resize', scale=(160, 160), keep_ratio=True)
_load = dict(type='LoadAnnotations', with_bbox=True, with_mask={masks})
_image = dict(type='LoadImageFromFile')
_meta = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
_train = [_image, _load, _resize, dict(type='PackDetInputs')]
_test = [_image, _resize, _load, dict(type='PackDetInputs', meta_keys=_meta)]
_scenes = dict(
    data_root='{data}', data_prefix=dict(img='voc/JPEGImages'),
    metainfo=dict(classes=tuple('0123456789')))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
    ann_file='coco/annotations/instances_train.json', pipeline=_train, **_scenes))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    ann_file='coco/annotations/instances_val.json', pipeline=_test, **_scenes))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='{data}/coco/annotations/instances_val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1, val_interval=1)
model = dict({classes})
"""
SEGMENTATION = """_base_ = 'mmseg::{path}'
_scenes = dict(
    _delete_=True, type='BaseSegDataset', data_root='{data}/voc', img_suffix='.jpg',
    seg_map_suffix='.png',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    metainfo=dict(classes=('ground', *'0123456789')))
_pack = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
    ann_file='ImageSets/Segmentation/train.txt', pipeline=_pack, **_scenes))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    ann_file='ImageSets/Segmentation/val.txt', pipeline=_pack, **_scenes))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=2)
model = dict({classes})
"""
ROI = 'roi_head=dict(bbox_head=dict(num_classes=10){mask})'
MASKS = ', mask_head=dict(num_classes=10)'
HEAD = 'bbox_head=dict(num_classes=10)'
CASES = {
    'faster-rcnn': (DETECTION, 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', ROI.format(mask='')),
    'mask-rcnn': (DETECTION, 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', ROI.format(mask=MASKS)),
    'fcos': (DETECTION, 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', HEAD),
    'rtmdet': (DETECTION, 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py', HEAD),
    'upernet': (
        SEGMENTATION, 'upernet/upernet_r50_4xb4-20k_voc12aug-512x512.py',
        'decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11)',
    ),
    'segformer': (
        SEGMENTATION, 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        'decode_head=dict(num_classes=11)',
    ),
}  # fmt: skip


@pytest.fixture(scope='module')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes for training and two for validation, with boxes as masks of objects."""
    out = tmp_path_factory.mktemp('scenes')
    write_scenes(out, {'train': 4, 'test': 2})
    for path in out.glob('coco/annotations/*.json'):
        content: dict[str, Any] = json.loads(path.read_text())
        for one in content['annotations']:
            x, y, w, h = one['bbox']
            one['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        path.write_text(json.dumps(content))
    return out


@pytest.mark.parametrize('name', CASES)
def test_a_librarys_model_trains_with_a_backbone_of_the_zoo(
    name: str, scenes: Path, tmp_path: Path
) -> None:
    text, path, classes = CASES[name]
    mine = tmp_path / 'mine.py'
    mine.write_text(text.format(path=path, data=scenes, classes=classes, masks='mask' in name))
    options = ['model.backbone.init_cfg=None']  # no net
    given = ['--backbone', 'pp_resnet50', '--work-dir', tmp_path / 'work']
    assert call('train.py', mine, *given, '--cfg-options', *options) == 0
    result = json.loads((tmp_path / 'work/result.json').read_text())
    assert result['genotype'] and result['metrics']
