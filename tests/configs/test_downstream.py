"""tools/train.py and tools/test.py with mmdet and mmseg, on a few images made on the spot."""

import json

import cv2
import numpy as np
import pytest
from tool import ROOT, call

BACKBONE = dict(
    type='ppnas_mm.PPResNet', depth=50, arch='pp_resnet_imagenet', stem_channels=8, base_channels=8
)
RUN = """
_base_ = '{root}/configs/_base_/runtime.py'
default_scope = '{scope}'
model = {model}
dataset = {dataset}
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dataset,
                        sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(batch_size=1, num_workers=0, dataset=dict({{**dataset, 'test_mode': True}}),
                      sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = {evaluator}
test_dataloader, test_evaluator = val_dataloader, val_evaluator
val_cfg, test_cfg = dict(), dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=1)
"""


@pytest.fixture
def images(tmp_path):
    """Four images with a bright square each, as COCO boxes and as masks."""
    rng = np.random.default_rng(0)
    (tmp_path / 'img').mkdir()
    (tmp_path / 'ann').mkdir()
    coco = dict(images=[], annotations=[], categories=[dict(id=1, name='square')])
    for i in range(4):
        image = rng.integers(0, 80, (64, 64, 3), dtype=np.uint8)
        mask = np.zeros((64, 64), np.uint8)
        x, y = map(int, rng.integers(4, 30, 2))
        image[y : y + 24, x : x + 24] = 220
        mask[y : y + 24, x : x + 24] = 1
        cv2.imwrite(str(tmp_path / f'img/{i}.png'), image)
        cv2.imwrite(str(tmp_path / f'ann/{i}.png'), mask)
        coco['images'].append(dict(id=i, file_name=f'{i}.png', height=64, width=64))
        coco['annotations'].append(
            dict(id=i + 1, image_id=i, category_id=1, bbox=[x, y, 24, 24], area=576, iscrowd=0)
        )
    (tmp_path / 'coco.json').write_text(json.dumps(coco))
    return tmp_path


def detection(folder):
    model = dict(
        type='RetinaNet',
        data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
        backbone=BACKBONE,
        neck=dict(
            type='FPN', in_channels=[32, 64, 128, 256], out_channels=16, start_level=1,
            add_extra_convs='on_input', num_outs=5,
        ),
        bbox_head=dict(
            type='RetinaHead', num_classes=1, in_channels=16, feat_channels=16, stacked_convs=1,
            anchor_generator=dict(
                type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3,
                ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128],
            ),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        ),
        train_cfg=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
            sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1,
        ),
        test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0,
                      nms=dict(type='nms', iou_threshold=0.5), max_per_img=10),
    )  # fmt: skip
    meta = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    dataset = dict(
        type='CocoDataset', data_root=str(folder), ann_file='coco.json',
        data_prefix=dict(img='img'), metainfo=dict(classes=('square',)),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                  dict(type='Resize', scale=(64, 64), keep_ratio=True),
                  dict(type='PackDetInputs', meta_keys=meta)],
    )  # fmt: skip
    evaluator = dict(type='CocoMetric', ann_file=str(folder / 'coco.json'), metric='bbox')
    return dict(scope='mmdet', model=model, dataset=dataset, evaluator=evaluator)


def segmentation(folder):
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64), seg_pad_val=255),
        backbone=dict(BACKBONE, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), multi_grid=(1, 2, 4)),
        decode_head=dict(type='FCNHead', in_channels=256, in_index=3, channels=16, num_convs=1,
                         num_classes=2, norm_cfg=dict(type='BN')),
        test_cfg=dict(mode='whole'),
    )  # fmt: skip
    dataset = dict(
        type='BaseSegDataset', data_root=str(folder), img_suffix='.png', seg_map_suffix='.png',
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('ground', 'square'), palette=[[0, 0, 0], [255, 0, 0]]),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                  dict(type='PackSegInputs')],
    )  # fmt: skip
    evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
    return dict(scope='mmseg', model=model, dataset=dataset, evaluator=evaluator)


@pytest.mark.parametrize('task', [detection, segmentation])
def test_train_and_test_serve_the_library_of_default_scope(task, images, capsys):
    config = images / 'config.py'
    config.write_text(RUN.format(root=ROOT, **task(images)))
    work = images / 'work'
    assert call('train.py', config, '--work-dir', work) == 0
    metrics = json.loads((work / 'result.json').read_text())['metrics']
    assert metrics
    capsys.readouterr()
    assert call('test.py', config, work / 'epoch_1.pth', '--work-dir', images / 'test') == 0
    printed = capsys.readouterr().out
    for name, value in metrics.items():
        digits = 3 if abs(value) <= 1 else 2
        assert f'{name}: {value:.{digits}f}' in printed
