"""Every file of ``configs/detection`` and ``configs/segmentation``: it fits, trains and predicts.

The list of files drives the tests; a new config needs no test of its own.  Two photographs that
ship with scikit-learn are written as whatever data set a config names, digit scenes as their tool
writes them, and every config trains on them through its own pipelines; those of full
size have sizes quartered and channels cut.
"""

from copy import deepcopy
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from config_files import CONFIGS, MOST_LEVELS, chains, scope
from downstream_files import FILES, NAMES, data, loaded, seg_heads, selected, small  # noqa: F401
from mmengine.evaluator import Evaluator
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner, set_random_seed
from mmengine.structures import InstanceData, PixelData
from photographs import leaves
from PIL import Image
from safetensors.torch import load_file

from ppnas_mm.config.keys import KEYS
from ppnas_mm.datasets.data_check import PIXEL_HEADS, DataCheckHook, heads
from ppnas_mm.engine import EpochSeedHook, SafeCheckpointHook
from ppnas_mm.registry import MODELS

RES2NET50_VD = 25_718_352 - 2_049_000


"""Parameters that the paper prints for PP-ResNet-50 and Res2Net-50, without the 1000 classes."""


SCORES = ('mAP', 'bbox_mAP', 'mIoU')


def class_counts(model: Any) -> set[int]:
    """The numbers of classes of all heads of a model."""
    return {head.num_classes for head in heads(model, ('bbox_head', *PIXEL_HEADS)).values()}


# -- small versions of the configs -------------------------------------------------------------


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
