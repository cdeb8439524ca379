"""Every file of ``configs/detection`` and ``configs/segmentation``: it fits, trains and predicts.

The list of files drives the tests; a new config needs no test of its own.  Two photographs that
ship with scikit-learn are written as whatever data set a config names, digit scenes as their tool
writes them, and every config trains on them through its own pipelines; those of full
size have sizes quartered and channels cut.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner, set_random_seed
from mmengine.structures import InstanceData, PixelData
from photographs import leaves, write
from PIL import Image
from safetensors.torch import load_file
from test_configs import CONFIGS, MOST_LEVELS, chains, load, scope

from ppnas_mm.config.keys import KEYS
from ppnas_mm.datasets.data_check import PIXEL_HEADS, DataCheckHook, heads
from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.engine import EpochSeedHook, SafeCheckpointHook
from ppnas_mm.registry import MODELS

FILES = sorted(p for kind in ('detection', 'segmentation') for p in CONFIGS.glob(f'{kind}/*.py'))
NAMES = [f'{path.parent.name}/{path.stem}' for path in FILES]
loaded = cache(load)
RES2NET50_VD = 25_718_352 - 2_049_000
"""Parameters that the paper prints for PP-ResNet-50 and Res2Net-50, without the 1000 classes."""
SCORES = ('mAP', 'bbox_mAP', 'mIoU')


def class_counts(model: Any) -> set[int]:
    """The numbers of classes of all heads of a model."""
    return {head.num_classes for head in heads(model, ('bbox_head', *PIXEL_HEADS)).values()}


# -- small versions of the configs -------------------------------------------------------------


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for ``data/``: digit scenes; :func:`small` adds the rest."""
    root = tmp_path_factory.mktemp('data')
    write_scenes(root / 'digit_scenes', {'train': 3, 'test': 3})
    return root


def rewrite(node: Any, change: Callable[[str, Any], Any], key: str = '') -> Any:
    """Apply ``change(key, value)`` to every value of a nested config."""
    node = change(key, node)
    if isinstance(node, dict):
        return {k: rewrite(v, change, k) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(rewrite(v, change) for v in node)
    return node


def quarter(key: str, value: Any) -> Any:
    """A quarter of a size."""
    if key == 'pad_size_divisor':
        return value // 4
    if key == 'max_size':
        return value // 4
    if key in ('scale', 'scales', 'crop_size', 'size'):
        return tuple(side // 4 for side in value)
    return value


def full_size(backbone: Any) -> bool:
    """Whether a backbone has all its channels."""
    kind = backbone.type.split('.')[-1]
    if kind in ('ChainNet', 'MobileNASNet'):
        return 'width' not in backbone
    return kind == 'PPResNet' or backbone.get('init_channels', 0) >= 48


def seg_heads(model: Any) -> list[Any]:
    """The configs of the decoder and of the auxiliary heads of a segmentor."""
    return [model.decode_head, *(model.get('auxiliary_head') or [])]


def selected(channels: list[int], head: Any) -> Any:
    """The channels that a segmentation head reads: one number or a list."""
    index = head.in_index
    return channels[index] if isinstance(index, int) else [channels[i] for i in index]


def shrink(model: Any) -> None:
    """Make a full-size backbone as narrow as it can be, and every neck and head.

    Only weights that are part of this repository stay.
    """
    if model.backbone.type.endswith('PPResNet'):
        model.backbone.update(stem_channels=8, base_channels=8, init_cfg=None)
    elif full_size(model.backbone) and 'init_channels' in model.backbone:
        model.backbone.update(init_channels=16, num_cells=3, init_cfg=None)
    elif full_size(model.backbone):
        model.backbone.update(width=0.5, last_channels=24, init_cfg=None)
    elif 'model_zoo' not in model.backbone.get('init_cfg', {}).get('checkpoint', ''):
        model.backbone.init_cfg = None
    with torch.device('meta'):
        channels = MODELS.build(model.backbone).out_channels
    if 'neck' in model:
        model.neck.update(in_channels=channels, out_channels=16)
        model.bbox_head.update(in_channels=16, feat_channels=16)
        model.test_cfg.update(score_thr=0, max_per_img=1000)  # untrained: a box is anywhere
    else:
        for head in seg_heads(model):
            head.update(in_channels=selected(channels, head), channels=16)
            if 'c1_channels' in head:
                head.update(c1_in_channels=channels[0], c1_channels=8)


def small(name: str, data: Path) -> Config:
    """A config that trains in a second, with the photographs as its data."""
    quartered = full_size(loaded(name).model.backbone)

    def change(key: str, value: Any) -> Any:
        if key == 'data_root' or (key == 'ann_file' and value.startswith('data/')):
            assert value.startswith('data/'), f'{name}: {key}={value}'
            return value.replace('data', str(data), 1)
        return quarter(key, value) if quartered else value

    config = Config(rewrite(loaded(name).to_dict(), change))
    with scope(config):
        shrink(config.model)
        head = config.model.get('decode_head')
        options = dict(ignore_index=head.get('ignore_index', 255)) if head else {}
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            # mmseg predicts batches of equal sizes only
            limit = 3 if loader is config.train_dataloader else 2
            loader.update(num_workers=0, batch_size=min(loader.batch_size, limit))
            for dataset in leaves(loader.dataset):
                dataset.serialize_data = False
                if not dataset.data_root.startswith(str(data / 'digit_scenes')):
                    write(dataset, **options)
    return config


def evaluations(config: Any) -> list[tuple[Any, list[Any]]]:
    """The configs of loader and metrics of validation and, where it differs, of the test."""
    pairs = []
    for key in ('val', 'test'):
        metrics = config[f'{key}_evaluator']
        metrics = metrics if isinstance(metrics, list) else [metrics]
        pairs.append((config[f'{key}_dataloader'], metrics))
    return pairs[:1] if pairs[0] == pairs[1] else pairs


# -- the rules of this repository --------------------------------------------------------------


@pytest.mark.parametrize('path', FILES, ids=NAMES)
def test_inherits_a_little_and_only_from_here(path: Path) -> None:
    for chain in chains(path):
        assert len(chain) <= MOST_LEVELS, [p.name for p in chain]
        assert all(p.is_file() and CONFIGS in p.parents for p in chain), chain


@pytest.mark.parametrize('name', NAMES)
def test_keys_hooks_and_sizes_at_full_size(name: str) -> None:
    config = deepcopy(loaded(name))  # mmdet's detectors write into their configs
    assert set(config) <= KEYS
    assert config.default_scope == ('mmdet' if name.startswith('detection') else 'mmseg')
    with scope(config):
        hooks = config.default_hooks.values()
        needed = {EpochSeedHook, SafeCheckpointHook, DataCheckHook}
        assert needed <= {type(HOOKS.build(dict(hook))) for hook in hooks}
        with torch.device('meta'):
            model = MODELS.build(config.model)
        channels = model.backbone.out_channels
        if model.with_neck:
            assert model.neck.in_channels == channels
            assert config.model.neck.out_channels == config.model.bbox_head.in_channels
            assert model.neck.num_outs == len(model.bbox_head.prior_generator.strides)
        else:
            for head in seg_heads(config.model):
                assert head.in_channels == selected(channels, head)
            head = config.model.decode_head
            assert head.get('c1_in_channels', channels[0]) == channels[0]
            metrics = [metric for _, given in evaluations(config) for metric in given]
            ignored = {part.get('ignore_index', 255) for part in (head, *metrics)}
            assert ignored == {config.model.data_preprocessor.seg_pad_val}
        counts = class_counts(model)
        assert len(counts) == 1
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            for dataset in leaves(loader.dataset):
                kind = DATASETS.get(f'{config.default_scope}.{dataset.type}')
                classes = dataset.get('metainfo', kind.METAINFO)['classes']
                assert counts == {len(classes)}
    backbone = config.model.backbone
    if backbone.type.endswith('PPResNet') and backbone.get('block', 'ppconv') != 'resnet':
        assert backbone.depth == 50
        assert sum(p.numel() for p in model.backbone.parameters()) == RES2NET50_VD


# -- what it does ------------------------------------------------------------------------------


def check_results(results: list[Any], classes: int) -> None:
    """Every label is a class; boxes and label maps fit the image file."""
    for result in results:
        height, width = cv2.imread(result.img_path).shape[:2]
        if 'pred_sem_seg' in result:
            labels = result.pred_sem_seg.data
            assert labels.shape == (1, height, width)
        else:
            labels, boxes = result.pred_instances.labels, result.pred_instances.bboxes
            assert len(boxes) > 0 and boxes.min() >= 0
            assert (boxes[:, 2:] <= torch.tensor([width, height]) + 1e-3).all()
            assert boxes[:, 2].max() > 0.9 * width and boxes[:, 3].max() > 0.9 * height
        assert labels.min() >= 0 and labels.max() < classes


@pytest.mark.parametrize('name', NAMES)
def test_trains_a_step_and_predicts(name: str, data: Path) -> None:
    config = small(name, data)
    with scope(config):
        model = revert_sync_batchnorm(MODELS.build(config.model))
        model.init_weights()
        if config.model.backbone.get('init_cfg'):
            weights = load_file(config.model.backbone.init_cfg.checkpoint)
            for key, value in model.backbone.state_dict().items():
                assert torch.equal(value, weights[f'backbone.{key}'])
        loader = Runner.build_dataloader(config.train_dataloader)
        tests = [Runner.build_dataloader(test) for test, _ in evaluations(config)]
        set_random_seed(0)
        # in order, so that a photograph without boxes is among them
        batch = loader.collate_fn(
            [loader.dataset[i] for i in range(config.train_dataloader.batch_size)]
        )
        (check,) = (HOOKS.build(h) for h in config.default_hooks.values() if 'DataCheck' in h.type)
        validation = SimpleNamespace(dataloader=tests[0])
        runner = SimpleNamespace(model=model, train_dataloader=loader, val_loop=validation)
        check.before_train(runner)
        check.before_train_iter(runner, 0, batch)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        before = {key: value.clone() for key, value in model.named_parameters()}
        losses = model.train().train_step(batch, wrapper)
        assert all(torch.isfinite(value).all() for value in losses.values()), losses
        assert losses['loss'] > 0
        changed = {k for k, v in model.named_parameters() if not torch.equal(before[k], v)}
        parts = {key.split('.')[0] for key in before}
        assert {key.split('.')[0] for key in changed} == parts and len(parts) >= 2
        for loader in tests:
            results = [one for batch in loader for one in model.eval().test_step(batch)]
            assert len(results) == len(loader.dataset)
            check_results(results, *class_counts(model))


def truth(dataset: Any, index: int, shift: int) -> Any:
    """A sample of a test set with its annotations as predictions, classes moved by ``shift``."""
    sample = dataset[index]['data_samples']
    info, number = dataset.get_data_info(index), len(dataset.metainfo['classes'])
    if 'instances' not in info:
        labels = torch.from_numpy(np.array(Image.open(info['seg_map_path']))).long()
        labels -= int(info['reduce_zero_label'])
        sample.pred_sem_seg = PixelData(data=(labels + shift) % number)
    else:
        real = [one for one in info['instances'] if not one['ignore_flag']]
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([one['bbox'] for one in real]).float().reshape(-1, 4),
            labels=torch.tensor([(one['bbox_label'] + shift) % number for one in real]).long(),
            scores=torch.ones(len(real)),
        )
    return sample


def test_evaluators_know_right_from_wrong(data: Path) -> None:
    """Once for each data set that configs share."""
    done, wrong = set(), []
    for name in NAMES:
        if (key := str(evaluations(loaded(name)))) in done:
            continue
        done.add(key)
        config = small(name, data)
        with scope(config):
            for (loader, metrics), shift in product(evaluations(config), (0, 1)):
                dataset, evaluator = DATASETS.build(loader.dataset), Evaluator(metrics)
                evaluator.dataset_meta = dataset.metainfo
                for i in range(len(dataset)):
                    evaluator.process([truth(dataset, i, shift)])
                scores = evaluator.evaluate(len(dataset))
                found = [v for k, v in scores.items() if k.split('/')[-1] in SCORES]
                assert len(found) == len(metrics)
                best = 100 if 'mIoU' in scores else 1
                right = [score == best if shift == 0 else score < best / 2 for score in found]
                wrong += [(name, shift, scores)] * (not all(right))
    assert not wrong
