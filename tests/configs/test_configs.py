"""Every file of ``configs/``: it keeps to the rules, fits together, and trains.

The list of files drives the tests; a new config needs no test of its own.  The numbers that papers
print are in ``test_recipes.py``.
"""

import math
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from config_files import (
    CONFIGS,
    FILES,
    MOST_LEVELS,
    NAMES,
    build_model,
    chains,
    classifier,
    learning_rates,
    load,
    scope,
    shrink,
    weights_part,
)
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    DATASETS,
    FUNCTIONS,
    HOOKS,
    METRICS,
    MODELS,
)

from ppnas_mm.algorithms import SearchAlgorithm
from ppnas_mm.config.keys import KEYS, ConfigError
from ppnas_mm.config.load import require_library
from ppnas_mm.config.values import check_values
from ppnas_mm.costs.latency import latency_table
from ppnas_mm.costs.table import CostError
from ppnas_mm.engine import DropPathHook, EpochSeedHook, SafeCheckpointHook, SearchHook

SEARCHES = [name for name in NAMES if name.startswith('search/')]


IMAGE_FOLDERS = [name for name in NAMES if name.endswith('imagefolder')]


TIMED = [name for name in SEARCHES if re.search(r'_\d+ms$', name)]


SIDES = {'Digits': 16, 'CIFAR10': 32, 'PartialCIFAR10': 32, 'CIFAR100': 32}


def measure_latency(config: Any, folder: Path) -> None:
    """Write the table that a limit on latency reads, as ``tools/benchmark.py latency-table``."""
    limits = config.model.get('limits') or {}
    if 'latency_table' not in limits:
        return
    table = latency_table(MODELS.build(classifier(config)), (3, 32, 32), repeats=1, warmup=1)
    limits.latency_table = str(folder / Path(limits.latency_table).name)
    table.save(limits.latency_table)


def make_batch(loader: Any, size: int) -> Any:
    """Random images and labels through a loader's own transforms and collation."""
    steps = [step for step in loader.dataset.pipeline if not step.type.startswith('Load')]
    transforms = Compose(steps)
    side = SIDES.get(loader.dataset.type.split('.')[-1], 256)
    rng = np.random.default_rng(0)
    samples = []
    for label in range(size):
        image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        samples.append(transforms(dict(img=image, img_shape=image.shape[:2], gt_label=label)))
    collate = dict(loader.collate_fn)
    return partial(FUNCTIONS.get(collate.pop('type')), **collate)(samples)


def make_step(config: Any, size: int) -> Any:
    """What one training step gets: a batch, or one of each part that a search trains on."""
    train = make_batch(config.train_dataloader, size)
    if config.train_cfg.get('type', '').split('.')[-1] not in ('SearchLoop', 'ChooseLoop'):
        return train
    loader = config.train_dataloader
    return dict(train=train, val=make_batch(loader, size))


# -- the rules of this repository --------------------------------------------------------------


@pytest.mark.parametrize('path', FILES, ids=NAMES)
def test_inherits_a_little_and_only_from_here(path: Path) -> None:
    for chain in chains(path):
        assert len(chain) <= MOST_LEVELS, [p.name for p in chain]
        assert all(p.is_file() and CONFIGS in p.parents for p in chain), chain


def test_every_base_is_used() -> None:
    files = set(CONFIGS.glob('*/*.py')) - set(CONFIGS.glob('_base_/*.py'))
    used = {path for file in files for chain in chains(file) for path in chain}
    assert set(CONFIGS.glob('_base_/**/*.py')) <= used


@pytest.mark.parametrize('name', NAMES)
def test_has_only_keys_that_a_runner_reads(name: str) -> None:
    """A variable left in a config could be overridden, and mmengine would ignore it."""
    assert set(load(name)) <= KEYS


@pytest.mark.parametrize('name', NAMES)
def test_no_value_is_refused(name: str) -> None:
    """The check that a run makes first, which once refused ``drop='each'`` of two searches."""
    config = load(name)
    require_library(config, name)
    check_values(config)


@pytest.mark.parametrize('name', NAMES)
def test_hooks_and_evaluators(name: str) -> None:
    config = load(name)
    with scope(config):
        hooks = [HOOKS.build(dict(h)) for h in config.default_hooks.values()]
        for evaluator in (config.val_evaluator, config.test_evaluator):
            assert max(METRICS.build(dict(evaluator)).topk) <= classifier(config).head.num_classes
    kinds = {type(hook) for hook in hooks}
    assert kinds >= {EpochSeedHook, SafeCheckpointHook}
    assert (SearchHook in kinds) == (name in SEARCHES)
    assert (DropPathHook in kinds) == bool(classifier(config).backbone.get('drop_path_rate'))


@pytest.mark.parametrize('name', NAMES)
def test_number_of_classes(name: str) -> None:
    config = load(name)
    head = classifier(config).head
    given = {head.num_classes, config.data_preprocessor.num_classes}
    given.add(head.loss.get('num_classes', head.num_classes))
    kind = config.train_dataloader.dataset.type
    dataset = DATASETS.get(kind if '.' in kind else f'{config.default_scope}.{kind}')
    if 'classes' in dataset.METAINFO:
        given.add(len(dataset.METAINFO['classes']))
    assert len(given) == 1, given


# -- what it does ------------------------------------------------------------------------------


@pytest.mark.parametrize('name', NAMES)
def test_trains_a_step_and_predicts(name: str, tmp_path: Path) -> None:
    config = shrink(load(name))
    with scope(config):
        measure_latency(config, tmp_path)
        model = build_model(config)
        model.init_weights()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        head = getattr(model, 'model', model).head
        before = {key: value.detach().clone() for key, value in head.named_parameters()}
        mixes = 'augments' in classifier(config).get('train_cfg', {})
        assert (model.data_preprocessor.batch_augments is not None) == mixes
        step = make_step(config, 2)
        if chooses(config):  # some choose by images
            model.attach({half: [batch] for half, batch in step.items()}, 0)
        if name in SEARCHES:
            model.before_epoch(config.train_cfg.get('max_epochs', 1))
        losses = model.train().train_step(step, wrapper)
        assert all(torch.isfinite(v).all() for v in losses.values()), losses
        assert before and all(not torch.equal(before[k], v) for k, v in head.named_parameters())
        loaders = [config.val_dataloader, config.test_dataloader]
        for loader in loaders[: 1 + (loaders[0] != loaders[1])]:
            predicted = model.eval().test_step(make_batch(loader, 2))
            assert [p.pred_score.shape for p in predicted] == [(head.num_classes,)] * 2
    assert isinstance(model, SearchAlgorithm) == (name in SEARCHES)


def chooses(config: Any) -> bool:
    """Whether a search trains nothing."""
    return config.train_cfg.get('type') == 'ppnas_mm.ChooseLoop'


@pytest.mark.parametrize('name', TIMED)
def test_a_limit_on_latency_says_which_table_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = shrink(load(name))
    with scope(config), pytest.raises(CostError, match=r'work_dirs/latency_mobile\.json: No such'):
        build_model(config)


@pytest.mark.parametrize('name', NAMES)
def test_fits_together_at_full_size(name: str) -> None:
    config = load(name)
    head = classifier(config).head
    with scope(config), torch.device('meta'):
        inner = MODELS.build(classifier(config))
    channels = inner.backbone.out_channels
    assert head.in_channels == channels[-1]
    if 'aux_channels' in head:
        assert inner.backbone.auxiliary and len(channels) == 1 and not inner.with_neck
        last = inner.backbone.get_submodule(inner.backbone.reduction_blocks[-1])
        assert head.aux_channels == 4 * last.preprocess1.conv.out_channels


@pytest.mark.parametrize('name', NAMES)
def test_schedule_covers_the_run(name: str) -> None:
    """A linear warm-up from 0, then half a cosine that would end one step after the last.

    Only a search may do without, or start warm (its rate is then constant); only searches, SE-NAS
    and P-DARTS anneal linearly, only EoiNAS falls by a factor an epoch.
    """
    config, length = load(name), 4
    optim, schedulers = weights_part(config)
    if chooses(config):
        assert not schedulers and 'max_epochs' not in config.train_cfg
        return
    peak, total = optim.optimizer.lr, config.train_cfg.max_epochs * length
    rates = learning_rates(config, length)
    if not schedulers or config.get('load_from'):  # a warm start needs no high rate
        assert name in SEARCHES and rates == pytest.approx([peak] * total)
        return
    if name == 'classification/pdarts_8xb128_in1k':  # P-DARTS falls linearly after its warm-up
        warm, rest = rates[: 5 * length], np.diff(rates[5 * length :])
        assert warm == sorted(warm) and warm[-1] == pytest.approx(peak)
        assert rest == pytest.approx(rest.mean(), rel=1e-3) and rates[-1] < 0.01 * peak
        return
    linear = name in SEARCHES or 'mobilenas' in name
    if linear and schedulers[-1].type == 'LinearLR':
        falls = np.diff(rates[::length])  # some are stepped by epoch
        end = 0.25 if 'nasbench' in name and name.endswith('-20k') else 0
        assert rates[0] == peak and -1e-9 < rates[-1] / peak - end < 0.01
        assert falls == pytest.approx(falls.mean(), rel=1e-3) and falls.mean() < 0
        return
    if 'eoinas' in name and schedulers[-1].type == 'ExponentialLR':
        epochs = [i // length for i in range(total)]
        assert rates == pytest.approx([peak * schedulers[0].gamma ** epoch for epoch in epochs])
        return
    assert schedulers[-1].type == 'CosineAnnealingLR'
    low = schedulers[-1].get('eta_min', 0)
    warmup = sum(s.end - s.begin for s in schedulers[:-1]) * length
    cosine = [(1 + math.cos(math.pi * i / (total - warmup))) / 2 for i in range(total - warmup)]
    expected = [peak * i / (warmup - 1) for i in range(warmup)]
    expected += [low + (peak - low) * factor for factor in cosine]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-6 * peak)
    assert rates[0] > 0


# -- own images --------------------------------------------------------------------------------


@pytest.mark.parametrize('name', IMAGE_FOLDERS)
def test_own_images_by_one_option(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for label in ('ant', 'bee', 'cat'):
            (tmp_path / split / label).mkdir(parents=True)
            image = rng.integers(0, 256, (150, 180, 3), dtype=np.uint8)
            assert cv2.imwrite(str(tmp_path / split / label / 'a picture.png'), image)
    key = 'model.model.head' if name.startswith('search') else 'model.head'
    for classes in (3, 4):
        given = {} if classes == 3 else {f'{key}.num_classes': 4}
        config = shrink(load(name, {'data_root': str(tmp_path), **given}))
        with scope(config):
            train, val = (
                DATASETS.build(loader.dataset)
                for loader in (config.train_dataloader, config.val_dataloader)
            )
            model = build_model(config)
            hooks = [HOOKS.build(dict(h)) for h in config.default_hooks.values()]
        assert train.CLASSES == val.CLASSES == ('ant', 'bee', 'cat')
        assert train[0]['inputs'].shape == val[0]['inputs'].shape == (3, 128, 128)
        runner = SimpleNamespace(
            model=model,
            train_dataloader=SimpleNamespace(dataset=train),
            logger=MMLogger.get_current_instance(),
        )
        (check,) = [h for h in hooks if type(h).__name__ == 'ClassNumCheckHook']
        if classes == 3:
            check.before_train(runner)
        else:
            with pytest.raises(AssertionError, match='num_classes'):
                check.before_train(runner)


@pytest.mark.parametrize('name', IMAGE_FOLDERS)
def test_variables_of_a_config_are_no_options(name: str) -> None:
    with pytest.raises(ConfigError, match='num_classes'):
        load(name, {'num_classes': '3'})


@pytest.mark.parametrize('name', IMAGE_FOLDERS)
def test_one_option_points_all_loaders_to_the_images(name: str) -> None:
    config = load(name, {'data_root': '/mine'})
    loaders = (config.train_dataloader, config.val_dataloader, config.test_dataloader)
    assert [loader.dataset.data_root for loader in loaders] == ['/mine'] * 3
