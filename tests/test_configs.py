"""Every file of ``configs/``: it keeps to the rules, says what the paper says, and trains.

The list of files drives the tests; a new config needs no test of its own.  Only :data:`PAPER`,
:data:`ABLATIONS` and :data:`PARAMETERS` name configs: they hold numbers that papers print.
"""

import ast
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
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    DATASETS,
    FUNCTIONS,
    HOOKS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    DefaultScope,
)

from ppnas_mm.algorithms import PPNAS, SearchAlgorithm
from ppnas_mm.config import OTHER_KEYS, RUNNER_KEYS, ConfigError, load_config
from ppnas_mm.engine import EpochSeedHook, SafeCheckpointHook, SearchHook

CONFIGS = Path(__file__).parents[1] / 'configs'
DOWNSTREAM = re.compile(r"^default_scope = 'mm(det|seg)'$", re.MULTILINE)  # other tests' work
FILES = sorted(
    p
    for p in CONFIGS.glob('*/*.py')
    if p.parent.name in ('search', 'classification') and not DOWNSTREAM.search(p.read_text())
)
NAMES = [f'{path.parent.name}/{path.stem}' for path in FILES]
SEARCHES = [name for name in NAMES if name.startswith('search/')]
IMAGE_FOLDERS = [name for name in NAMES if name.endswith('imagefolder')]
SIDES = {'Digits': 16, 'CIFAR10': 32, 'PartialCIFAR10': 32, 'CIFAR100': 32}
MOST_LEVELS = 3


def load(name: str, options: dict[str, Any] | None = None) -> Any:
    """Load ``configs/<name>.py``."""
    return load_config(CONFIGS / f'{name}.py', options)


def classifier(config: Any) -> Any:
    """The config of the classifier, which a search wraps."""
    return config.model.get('model', config.model)


def scope(config: Any) -> Any:
    """The context in which a runner builds the parts of a config."""
    return DefaultScope.overwrite_default_scope(config.default_scope)


def build_model(config: Any) -> Any:
    """Build the model as a runner does."""
    return MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})


def shrink(config: Any) -> Any:
    """Make the network as small as it can be and still have a block of each kind."""
    model = classifier(config)
    imagenet = model.backbone.type.endswith('PPResNet') or model.backbone.get('macro') == 'imagenet'
    model.backbone.update(depth=50 if imagenet else 20, stem_channels=8, base_channels=8)
    model.head.in_channels = 8 * (8 if imagenet else 4) * 4
    return config


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


# -- the rules of this repository --------------------------------------------------------------


def bases(path: Path) -> list[Path]:
    """The files that a config inherits from."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '_base_':
            value = ast.literal_eval(node.value)
            given = [value] if isinstance(value, str) else value
            assert all(b.startswith('.') for b in given), f'{path}: {given} must be relative paths'
            return [(path.parent / b).resolve() for b in given]
    return []


def chains(path: Path) -> list[list[Path]]:
    """Every line of inheritance from a config down to a file without bases."""
    below = [chain for base in bases(path) for chain in chains(base)]
    return [[path, *chain] for chain in below] or [[path]]


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
    assert set(load(name)) <= RUNNER_KEYS | OTHER_KEYS


@pytest.mark.parametrize('name', NAMES)
def test_hooks_and_evaluators(name: str) -> None:
    config = load(name)
    with scope(config):
        hooks = [
            HOOKS.build(dict(h)) for h in [*config.default_hooks.values(), *config.custom_hooks]
        ]
        for evaluator in (config.val_evaluator, config.test_evaluator):
            assert max(METRICS.build(dict(evaluator)).topk) <= classifier(config).head.num_classes
    needed = {EpochSeedHook, SafeCheckpointHook} | ({SearchHook} if name in SEARCHES else set())
    assert needed <= {type(hook) for hook in hooks}


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
def test_trains_a_step_and_predicts(name: str) -> None:
    config = shrink(load(name))
    with scope(config):
        model = build_model(config)
        model.init_weights()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        head = getattr(model, 'model', model).head
        before = head.fc.weight.detach().clone()
        mixes = 'augments' in classifier(config).get('train_cfg', {})
        assert (model.data_preprocessor.batch_augments is not None) == mixes
        losses = model.train().train_step(make_batch(config.train_dataloader, 4), wrapper)
        assert all(torch.isfinite(v).all() for v in losses.values()), losses
        assert not torch.equal(before, head.fc.weight)
        for loader in (config.val_dataloader, config.test_dataloader):
            predicted = model.eval().test_step(make_batch(loader, 2))
            assert [p.pred_score.shape for p in predicted] == [(head.num_classes,)] * 2
    assert isinstance(model, SearchAlgorithm) == (name in SEARCHES)


@pytest.mark.parametrize('name', NAMES)
def test_fits_together_at_full_size(name: str) -> None:
    config = load(name)
    with scope(config), torch.device('meta'):
        model = build_model(config)
    inner = getattr(model, 'model', model)
    assert inner.head.fc.in_features == inner.backbone.out_channels[-1]
    if name in PARAMETERS:
        assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def learning_rates(config: Any, length: int) -> list[float]:
    """The learning rate of the weights at each step, for epochs of ``length`` steps."""
    optim, schedulers = config.optim_wrapper, config.param_scheduler
    if 'weights' in optim:
        assert schedulers['arch'] == [], 'the rate of the architecture is fixed'
        optim, schedulers = optim.weights, schedulers['weights']
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=optim.optimizer.lr)
    given = dict(optimizer=optimizer, epoch_length=length)
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    built = [PARAM_SCHEDULERS.build(dict(s), default_args=given) for s in schedulers]
    rates = []
    for _ in range(config.train_cfg.max_epochs * length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            scheduler.step()
    return rates


@pytest.mark.parametrize('name', NAMES)
def test_schedule_covers_the_run(name: str) -> None:
    """A linear warm-up from 0, then half a cosine that would be 0 one step after the last."""
    found, length = facts(name), 4
    rates = learning_rates(load(name), length)
    warmup, total = found['warmup'] * length, found['epochs'] * length
    cosine = [(1 + math.cos(math.pi * i / (total - warmup))) / 2 for i in range(total - warmup)]
    linear = [i / (warmup - 1) for i in range(warmup)]
    expected = [found['lr'] * factor for factor in linear + cosine]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-6 * found['lr'])
    assert rates[0] > 0


# -- what the paper says -----------------------------------------------------------------------

CIFAR = dict(lr=0.1, decay=5e-4, batch=128, warmup=0, smoothing=0, test=32)
IMAGENET = dict(lr=0.4, batch=1024, warmup=5, smoothing=0.1, cutout=0, test=224)
ARCH = dict(arch_lr=1e-3, arch_betas=(0.9, 0.999))
PLAIN = dict(augment=(), cutout=0, mixup=0)
STRONG = dict(augment=('CIFARAutoAugment',), cutout=16)
SEARCH = dict(**CIFAR, **ARCH, **STRONG, epochs=300, mixup=0, l2=5e-4, depth=110)
STANDARD = dict(**CIFAR, **PLAIN, epochs=200, depth=110)
AUGMENTED = dict(**CIFAR, **STRONG, epochs=600, mixup=0.2, depth=110)
IN1K = dict(**IMAGENET, decay=1e-4, epochs=120, augment=(), mixup=0, train=224)
IN1K_AUGMENTED = dict(**IMAGENET, decay=4e-5, epochs=300, augment=('RandAugment',), train=160)

PAPER: dict[str, dict[str, Any]] = {
    'search/ppnas_cifar10': SEARCH,
    'search/ppnas_cifar100': SEARCH,
    'search/ppnas_imagenet': dict(**IN1K, **ARCH, l2=1e-4, depth=50),
    'search/random_cifar10': STANDARD,
    'search/random-full_cifar10': STANDARD,
    **{f'search/ppnas_cifar10_{tag}': SEARCH for tag in ('no-conn', 'no-zero-one', 'l2-only')},
    'search/ppnas_cifar10_ce-only': {**SEARCH, 'l2': 0},
    **{
        f'classification/{network}110{tag}_cifar{classes}': setting
        for network in ('pp-resnet', 'resnet', 'resnext', 'res2net')
        for tag, setting in (('', STANDARD), ('_aug', AUGMENTED))
        for classes in (10, 100)
    },
    **{
        f'classification/{network}_8xb128{tag}_in1k': setting
        for network in ('pp-resnet50', 'pp-resnet101', 'resnet50-vd', 'res2net50-vd')
        for tag, setting in (('', IN1K), ('-aug-300e', IN1K_AUGMENTED))
    },
}
"""Sections IV-A to IV-C.  The ratio of Mixup on ImageNet is not stated there."""

PARAMETERS = {
    'classification/pp-resnet110_cifar10': 18_492_810,
    'classification/res2net110_cifar10': 18_492_810,
    'classification/resnet110_cifar10': 18_123_082,
    'classification/resnext110_cifar10': 18_110_282,
    'classification/pp-resnet110_cifar100': 18_585_060,
    'classification/pp-resnet50_8xb128_in1k': 25_718_352,
    'classification/res2net50-vd_8xb128_in1k': 25_718_352,
}
"""Tables I and III print them in millions."""

ABLATIONS = {
    '': (1, 1, 5e-4),
    '_no-conn': (1, 0, 5e-4),
    '_no-zero-one': (0, 1, 5e-4),
    '_l2-only': (0, 0, 5e-4),
    '_ce-only': (0, 0, 0),
}
"""Table VIII: the weights of the zero-one, the connection-existence and the L2 loss."""


def facts(name: str) -> dict[str, Any]:
    """What a config says about the things that the paper states."""
    config = load(name)
    optim = config.optim_wrapper
    weights = optim.get('weights', optim).optimizer
    assert weights.type == 'SGD' and weights.momentum == 0.9
    schedulers = config.param_scheduler
    schedulers = schedulers['weights'] if 'weights' in optim else schedulers
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    assert schedulers[-1].type == 'CosineAnnealingLR'
    model = classifier(config)
    mixup = model.get('train_cfg', {}).get('augments', {})
    loader = config.train_dataloader
    train = {t.type.split('.')[-1]: t for t in loader.dataset.pipeline}
    test = {t.type: t for t in config.test_dataloader.dataset.pipeline}
    if 'RandAugment' in train:
        randaugment = train['RandAugment']
        assert (randaugment.num_policies, randaugment.magnitude_level) == (2, 10)
    if 'RandomCrop' in train and train['RandomCrop'].crop_size == 32:
        assert train['RandomCrop'].padding == 4
    found = dict(
        epochs=config.train_cfg.max_epochs,
        lr=weights.lr,
        decay=weights.weight_decay,
        batch=loader.batch_size * (8 if loader.dataset.type == 'ImageNet' else 1),
        warmup=sum(s.end - s.begin for s in schedulers[:-1]),
        smoothing=model.head.loss.get('label_smooth_val', 0),
        mixup=mixup.get('alpha', 0),
        cutout=train['Cutout'].shape if 'Cutout' in train else 0,
        augment=tuple(t for t in train if 'Augment' in t),
        depth=model.backbone.depth,
        train=train['RandomResizedCrop'].scale if 'RandomResizedCrop' in train else 32,
        test=test['CenterCrop'].crop_size if 'CenterCrop' in test else 32,
    )
    if 'arch' in optim:
        assert optim.arch.optimizer.type == 'Adam' and 'weight_decay' not in optim.arch.optimizer
        found['arch_lr'] = optim.arch.optimizer.lr
        found['arch_betas'] = tuple(optim.arch.optimizer.betas)
        found['l2'] = config.model.get('l2_weight')
    return found


@pytest.mark.parametrize('name', PAPER)
def test_is_the_papers(name: str) -> None:
    found = facts(name)
    assert {key: found[key] for key in PAPER[name]} == PAPER[name]


@pytest.mark.parametrize('data', ['digits', 'cifar10'])
@pytest.mark.parametrize('tag', ABLATIONS)
def test_loss_weights_of_table_viii(data: str, tag: str) -> None:
    config = shrink(load(f'search/ppnas_{data}{tag}'))
    with scope(config):
        model = build_model(config)
    assert isinstance(model, PPNAS)
    assert (model.threshold, model.reduction, model.identities) == (0.9, 'sum', 1)
    weights = (model.zero_one_weight, model.connection_weight, model.l2_weight)
    assert weights == ABLATIONS[tag]


@pytest.mark.parametrize('data', ['digits', 'cifar10'])
def test_random_search_full_and_constrained(data: str) -> None:
    assert load(f'search/random_{data}').model.constrained is True
    assert load(f'search/random-full_{data}').model.constrained is False


# -- own images --------------------------------------------------------------------------------


def documented_options(name: str, **values: Any) -> dict[str, Any]:
    """The overrides that the config's comment names, with ``D`` and ``N`` replaced."""
    comment = '\n'.join(re.findall(r'^#.*', (CONFIGS / f'{name}.py').read_text(), re.M))
    options = {key: values[letter] for key, letter in re.findall(r'([\w.]+)=([DN])\b', comment)}
    assert len(options) >= 4, comment
    return options


@pytest.mark.parametrize('name', IMAGE_FOLDERS)
def test_own_images_by_the_documented_options(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for label in ('ant', 'bee', 'cat'):
            (tmp_path / split / label).mkdir(parents=True)
            image = rng.integers(0, 256, (150, 180, 3), dtype=np.uint8)
            assert cv2.imwrite(str(tmp_path / split / label / 'a picture.png'), image)
    for classes in (3, 4):
        config = shrink(load(name, documented_options(name, D=str(tmp_path), N=classes)))
        with scope(config):
            train, val = (
                DATASETS.build(loader.dataset)
                for loader in (config.train_dataloader, config.val_dataloader)
            )
            model = build_model(config)
            hooks = [HOOKS.build(dict(h)) for h in config.custom_hooks]
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
