"""The numbers of the detection and segmentation recipes: what the paper says, field by field.

:data:`PAPER` holds Sections IV-D and IV-E of the paper.  What it leaves open is the authors' code
(Nesterov, separate norms, no ``Scale``) or, where they disagree, the paper.
"""

import math
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from config_files import learning_rates, scope
from downstream_files import NAMES, loaded, small
from mmengine.runner import Runner, set_random_seed
from photographs import leaves

from ppnas_mm.registry import MODELS

# -- what the paper says -----------------------------------------------------------------------

LOAD = ('LoadImageFromFile', 'LoadAnnotations')
ALL = dict(
    optimizer='SGD',
    momentum=0.9,
    nesterov=True,
    decay=1e-4,
    optim_extras=set(),
    schedulers=('LinearLR', 'CosineAnnealingLR'),
    batch_is_scaled=False,
    shuffle=True,
    norm={'SyncBN'},
    frozen=-1,
    norm_eval=False,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    rgb=True,
    flip=0.5,
)
DETECTION = dict(
    epochs=24,
    warmup=1,
    lr=0.02,
    batch=32,
    norm_parts={'backbone', 'neck', 'bbox_head'},
    ratio_range=(0.5, 2.0),
    crop=('absolute', True),
    keep_empty=False,
    steps=(*LOAD, 'RandomResize', 'RandomCrop', 'FilterAnnotations', 'RandomFlip', 'PackDetInputs'),
    test_steps=('LoadImageFromFile', 'Resize', 'LoadAnnotations', 'PackDetInputs'),
    fpn=dict(start_level=1, num_outs=5, no_norm_on_lateral=True, relu_before_extra_convs=True),
    boxes_kept=5000,
    score_thr=0.05,
    max_per_img=100,
    strides=[8, 16, 32, 64, 128],
    towers=(4, 256, 256),
)
SEGMENTATION = dict(
    lr=0.01,
    warmup=5,
    norm_parts={'backbone', 'decode_head'},
    scales=[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0],
    crop_extras=set(),
    test_steps=(*LOAD, 'PackSegInputs'),
    drop_last=True,
    dropout=0,
    loss=('CrossEntropyLoss', True, 1.0),
    auxiliary=None,
    channels=256,
    low_level=(256, 48),
    align_corners=False,
    mode='whole',
    pad=(0, 255),
    evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
)
SEGMENTATION_STEPS = (*LOAD, 'RandomChoice', 'RandomCrop', 'RandomFlip')

PAPER: dict[str, dict[str, Any]] = {
    '*': ALL,
    'detection/*': DETECTION,
    'detection/*_coco': dict(
        sides={896},
        classes=80,
        data=[('CocoDataset', 'annotations/instances_train2017.json')],
        test_data=('CocoDataset', 'annotations/instances_val2017.json'),
        evaluator=dict(
            type='CocoMetric',
            metric='bbox',
            ann_file='data/coco/annotations/instances_val2017.json',
        ),
    ),
    'detection/*_voc0712': dict(
        sides={640},
        classes=20,
        data=[('VOCDataset', f'VOC{y}/ImageSets/Main/trainval.txt') for y in (2007, 2012)],
        test_data=('VOCDataset', 'VOC2007/ImageSets/Main/test.txt'),
        wrapper='ConcatDataset',
        drops_empty={False},
        evaluator=dict(type='VOCMetric', metric='mAP', eval_mode='11points'),
    ),
    'detection/gflv2_*': dict(
        head='ppnas_mm.GFLV2Head',
        extra_convs='on_output',
        nms=('nms', 0.6),
        losses=dict(
            loss_cls=('QualityFocalLoss', 1.0),
            loss_bbox=('GIoULoss', 2.0),
            loss_dfl=('DistributionFocalLoss', 1.0),
        ),
        assigner=dict(type='ATSSAssigner', topk=9),
        anchors=(8, 1, [1.0]),
    ),
    'detection/retinanet_*': dict(
        head='RetinaSepBNHead',
        extra_convs='on_input',
        nms=('nms', 0.5),
        losses=dict(loss_cls=('FocalLoss', 1.0), loss_bbox=('L1Loss', 1.0)),
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.5,
            neg_iou_thr=0.4,
            min_pos_iou=0,
            ignore_iof_thr=-1,
        ),
        anchors=(4, 3, [0.5, 1.0, 2.0]),
    ),
    'segmentation/*': SEGMENTATION,
    'segmentation/*_voc12aug': dict(
        epochs=60,
        batch=16,
        sizes={(512, 512)},
        test_size=(512, 512),
        classes=21,
        steps=(*SEGMENTATION_STEPS, 'PackSegInputs'),
        data=[('PascalVOCDataset', 'ImageSets/Segmentation/trainaug.txt')],
        test_data=('PascalVOCDataset', 'ImageSets/Segmentation/val.txt'),
    ),
    'segmentation/*_cityscapes': dict(
        batch=8,
        sizes={(512, 1024)},
        test_size=None,
        classes=19,
        steps=(*SEGMENTATION_STEPS, 'PhotoMetricDistortion', 'PackSegInputs'),
        data=[('CityscapesDataset', 'leftImg8bit/train')],
        test_data=('CityscapesDataset', 'leftImg8bit/val'),
    ),
    'segmentation/*-d[0-9]*_90e_cityscapes': dict(epochs=90),
    'segmentation/*-d[0-9]_cityscapes': dict(epochs=120),
    'segmentation/*-d16_cityscapes': dict(epochs=120),
    'segmentation/*-d8_*': dict(stride=8, stage4=[2, 8, 16], aspp=(1, 12, 24, 36)),
    'segmentation/*-d16_*': dict(stride=16, stage4=[1, 4, 8], aspp=(1, 6, 12, 18)),
    '*_pp-resnet50[-_]*': dict(
        block=('ppconv', 'pp_resnet_imagenet'),
        stride_in='pool',
        weights='ppnas://pp_resnet50.imagenet',
    ),
    '*_res2net50-vd[-_]*': dict(
        block=('res2net', None), stride_in='conv3x3', weights='ppnas://res2net50-vd.imagenet'
    ),
    '*_resnet50-vd[-_]*': dict(
        block=('resnet', None), stride_in='conv3x3', weights='ppnas://resnet50-vd.imagenet'
    ),
}
"""By pattern of the name; a config has the facts of every pattern that it fits.

90 epochs of Cityscapes are the paper's text and 120 its iterations and the authors' code.
"""

NETWORKS = ('pp-resnet50', 'res2net50-vd', 'resnet50-vd')
TABLES = [
    *(f'detection/{h}_{n}_{d}' for h, n, d in product(
        ('gflv2', 'retinanet'), NETWORKS, ('coco', 'voc0712'))),
    *(f'segmentation/deeplabv3plus_{n}-{s}_{d}' for n, s, d in product(
        NETWORKS, ('d8', 'd16'), ('voc12aug', 'cityscapes'))),
    'segmentation/deeplabv3plus_pp-resnet50-d8_90e_cityscapes',
]  # fmt: skip
FULL = ('coco', 'voc0712', 'voc12aug', 'cityscapes', 'ade20k')
# tests/test_{cdarts,eoinas,mobilenas}_downstream.py look at these
OTHERS = [
    n
    for n in NAMES
    if n.split('_')[-1] in FULL and any(kind in n for kind in ('cdarts', 'eoinas', 'mobilenas'))
]
PAPERS = [n for n in NAMES if n.split('_')[-1] in FULL and n not in OTHERS]


# -- what the configs say ----------------------------------------------------------------------


def norms(node: Any) -> Iterator[str]:
    """The type of every norm that a nested config names."""
    for key, value in node.items():
        if key == 'norm_cfg':
            yield value['type']
        elif isinstance(value, dict):
            yield from norms(value)


def steps_of(dataset: Any) -> dict[str, Any]:
    """The transforms of a data set by name; none occurs twice."""
    steps = {step.type: step for step in dataset.pipeline}
    assert len(steps) == len(dataset.pipeline)
    return steps


def facts(name: str) -> dict[str, Any]:
    """What a config says about the things that the paper states."""
    config = loaded(name)
    model, wrapper, train = config.model, config.optim_wrapper, config.train_dataloader
    sets = list(leaves(train.dataset))
    assert all(one.pipeline == sets[0].pipeline for one in sets)
    steps, test_steps = steps_of(sets[0]), steps_of(config.test_dataloader.dataset)
    batch = config.auto_scale_lr.base_batch_size
    assert batch % train.batch_size == 0, 'a whole number of GPUs'
    assert config.val_dataloader == config.test_dataloader
    assert config.val_evaluator == config.test_evaluator
    normed = ('backbone', 'neck', 'bbox_head', 'decode_head')
    found = dict(
        optimizer=wrapper.optimizer.type,
        lr=wrapper.optimizer.lr,
        momentum=wrapper.optimizer.momentum,
        nesterov=wrapper.optimizer.nesterov,
        decay=wrapper.optimizer.weight_decay,
        optim_extras=set(wrapper) - {'type', 'optimizer'},
        epochs=config.train_cfg.max_epochs,
        warmup=config.param_scheduler[0].end,
        schedulers=tuple(s.type for s in config.param_scheduler),
        batch=batch,
        batch_is_scaled=config.auto_scale_lr.enable,
        shuffle=train.sampler.shuffle,
        norm=set(norms(model)),
        norm_parts={part for part in normed if 'norm_cfg' in model.get(part, {})},
        frozen=model.backbone.get('frozen_stages', -1),
        norm_eval=model.backbone.norm_eval,
        block=(model.backbone.get('block', 'ppconv'), model.backbone.arch),
        stride_in=model.backbone.get('stride_in', 'pool'),
        weights=model.backbone.init_cfg.checkpoint,
        mean=model.data_preprocessor.mean,
        std=model.data_preprocessor.std,
        rgb=model.data_preprocessor.bgr_to_rgb,
        flip=steps['RandomFlip'].prob,
        steps=tuple(steps),
        test_steps=tuple(test_steps),
        data=[(d.type, d.get('ann_file', d.data_prefix.get('img_path'))) for d in sets],
        evaluator=config.test_evaluator,
    )
    test = config.test_dataloader.dataset
    found['test_data'] = (test.type, test.get('ann_file', test.data_prefix.get('img_path')))
    parts = detection if name.startswith('detection') else segmentation
    return {**found, **parts(config, steps, test_steps)}


def detection(config: Any, steps: dict[str, Any], test_steps: dict[str, Any]) -> dict[str, Any]:
    """The facts of a detector."""
    model, train = config.model, config.train_dataloader
    neck, head, test = model.neck, model.bbox_head, model.test_cfg
    resize, crop, test_resize = steps['RandomResize'], steps['RandomCrop'], test_steps['Resize']
    assert resize.keep_ratio and test_resize.keep_ratio
    if head.type == 'RetinaSepBNHead':
        assert head.num_ins == neck.num_outs
    else:
        assert head.separate_bn and not head.use_scale
    anchors = head.anchor_generator
    losses = {key: value for key, value in head.items() if key.startswith('loss_')}
    sizes = (*resize.scale, *crop.crop_size, *test_resize.scale)
    return dict(
        ratio_range=resize.ratio_range,
        crop=(crop.crop_type, crop.allow_negative_crop),
        keep_empty=steps['FilterAnnotations'].keep_empty,
        sides={*sizes, model.data_preprocessor.pad_size_divisor},
        fpn={key: neck[key] for key in DETECTION['fpn']},
        extra_convs=neck.add_extra_convs,
        boxes_kept=test.nms_pre * neck.num_outs,
        score_thr=test.score_thr,
        nms=(test.nms.type, test.nms.iou_threshold),
        max_per_img=test.max_per_img,
        head=head.type,
        classes=head.num_classes,
        towers=(head.stacked_convs, head.feat_channels, neck.out_channels),
        losses={key: (value.type, value.loss_weight) for key, value in losses.items()},
        assigner=model.train_cfg.assigner,
        anchors=(anchors.octave_base_scale, anchors.scales_per_octave, anchors.ratios),
        strides=anchors.strides,
        wrapper=train.dataset.type,
        drops_empty={d.get('filter_cfg', {}).get('filter_empty_gt') for d in leaves(train.dataset)},
    )


def segmentation(config: Any, steps: dict[str, Any], test_steps: dict[str, Any]) -> dict[str, Any]:
    """The facts of a segmentor; the dilations are those of the network that is built."""
    model, head = config.model, config.model.decode_head
    with torch.device('meta'):
        backbone = MODELS.build(model.backbone)
    rates = []
    for block in backbone.layer4:
        convolutions = [m for m in block.conv2.modules() if isinstance(m, torch.nn.Conv2d)]
        rates += {m.dilation[0] for m in convolutions if m.kernel_size == (3, 3)}
    scaled = [resize for (resize,) in steps['RandomChoice'].transforms]
    assert all((r.type, r.keep_ratio) == ('Resize', True) for r in scaled)
    loss, preprocessor = head.loss_decode, model.data_preprocessor
    return dict(
        scales=[r.scale_factor for r in scaled],
        sizes={tuple(steps['RandomCrop'].crop_size), tuple(preprocessor.size)},
        crop_extras=set(steps['RandomCrop']) - {'type', 'crop_size'},
        test_size=preprocessor.get('test_cfg', {}).get('size'),
        drop_last=config.train_dataloader.drop_last,
        dropout=head.dropout_ratio,
        loss=(loss.type, loss.avg_non_ignore, loss.loss_weight),
        auxiliary=model.auxiliary_head,
        channels=head.channels,
        low_level=(head.c1_in_channels, head.c1_channels),
        align_corners=head.align_corners,
        mode=model.test_cfg.mode,
        pad=(preprocessor.pad_val, preprocessor.seg_pad_val),
        classes=head.num_classes,
        stride=backbone.feature_info[-1]['reduction'],
        stage4=rates,
        aspp=head.dilations,
    )


def test_every_table_of_the_paper_has_its_configs() -> None:
    assert set(TABLES) <= set(PAPERS)
    unused = [p for p in PAPER if not any(fnmatch(name, p) for name in PAPERS)]
    assert not unused


@pytest.mark.parametrize('name', PAPERS)
def test_is_the_papers(name: str) -> None:
    found = facts(name)
    expected = {k: v for p, part in PAPER.items() if fnmatch(name, p) for k, v in part.items()}
    assert {key: found[key] for key in expected} == expected
    assert {'epochs', 'batch', 'classes', 'block', 'data'} <= set(expected)


@pytest.mark.parametrize('name', [n for n in NAMES if n not in OTHERS])
def test_schedule_covers_the_run(name: str) -> None:
    """A linear warm-up from almost 0, then half a cosine that is 0 one step after the last."""
    config, length = loaded(name), 4
    peak, schedulers = config.optim_wrapper.optimizer.lr, config.param_scheduler
    warmup, total = schedulers[0].end * length, config.train_cfg.max_epochs * length
    linear = [i / (warmup - 1) for i in range(warmup)]
    cosine = [(1 + math.cos(math.pi * i / (total - warmup))) / 2 for i in range(total - warmup)]
    rates = learning_rates(config, length)
    assert rates == pytest.approx([peak * f for f in linear + cosine], rel=1e-6, abs=1e-5 * peak)
    assert 0 < rates[0] < 1e-5 * peak and max(rates) == pytest.approx(peak)


@pytest.mark.parametrize('name', PAPERS)
def test_every_image_is_padded_to_the_crop(name: str, tmp_path: Path) -> None:
    """In tests, too; there Cityscapes' images stay whole.  (All sizes are quartered here.)"""
    config = small(name, tmp_path)
    crop = steps_of(next(leaves(config.train_dataloader.dataset)))['RandomCrop'].crop_size
    set_random_seed(0)
    with scope(config):
        preprocessor = MODELS.build(config.model.data_preprocessor)
        for loader, training in ((config.train_dataloader, True), (config.test_dataloader, False)):
            for batch in Runner.build_dataloader(loader):
                image = batch['inputs'][0]
                shape = preprocessor(batch, training)['inputs'].shape[-2:]
                whole = 'cityscapes' in name and not training
                assert shape == (image.shape[-2:] if whole else crop)
