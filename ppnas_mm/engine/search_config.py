"""Turn a finished config, which trains a network, into a search for that network's backbone.

Data, heads, losses, schedule and evaluator stay the config's own.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from ..config.keys import ConfigError, hint, type_name
from ..config.load import library
from ..config.shipped import shipped
from .swap_backbone import class_of, fitted, maps_of, swap


class Algorithm(NamedTuple):
    """A search algorithm: its class, and its recipe in ``configs/_base_/search``."""

    type: str
    recipe: str


ALGORITHMS = {
    'ppnas': Algorithm('PPNAS', 'one_level'),
    'random': Algorithm('RandomSearch', 'one_level'),
    'darts': Algorithm('DARTS', 'bilevel'),
    'gdas': Algorithm('GDAS', 'bilevel'),
    'eoinas': Algorithm('EoiNAS', 'bilevel'),
    'cdarts': Algorithm('CDARTS', 'cyclic'),
    'spos': Algorithm('SPOS', 'one_shot'),
    'senas': Algorithm('SENAS', 'one_shot'),
}
SPACES: dict[str, dict[str, Any]] = {
    'plugged': dict(type='ppnas_mm.PluggedSuperNet'),
    'ppconv': dict(type='ppnas_mm.PPConvSuperNet', macro='imagenet', depth=50),
    'darts': dict(
        type='ppnas_mm.DARTSSuperNet', variant='imagenet', num_cells=14, init_channels=48
    ),
    'chain': dict(type='ppnas_mm.ChainSuperNet'),
    'mobile': dict(type='ppnas_mm.MobileSuperNet'),
}
SMALL: dict[str, dict[str, Any]] = {
    'ppconv': dict(macro='cifar', depth=110),
    'darts': dict(variant='cifar', num_cells=8, init_channels=16),
    'chain': dict(variant='cifar'),
    'mobile': dict(variant='cifar'),
}
"""Settings for classifiers of small images, whose backbone has a stride below 16."""
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    'PPResNet': ('ppconv', dict(macro='imagenet', depth=50)),
    'PPResNetCIFAR': ('ppconv', dict(macro='cifar', depth=110)),
    'ChainNet': ('chain', {}),
    'MobileNASNet': ('mobile', {}),
}
"""Backbones that a space searches in their own size, and the settings that their names imply."""
OF_ONE = ('arch', 'block', 'drop_path_rate', 'frozen_stages', 'init_cfg', 'norm_eval')
"""Arguments of one network and its weights, which a search leaves out."""
CDARTS: dict[str, dict[str, Any]] = {
    'darts': dict(evaluation=dict(num_cells=14), pools=(6, 5)),
    'chain': dict(evaluation=dict(), pools=(6, 6, 6, 5), l1_weight=0.0, l1_ops=()),
}
"""Settings of CDARTS in its spaces, of its configs."""
USUAL = {'ppconv': 'ppnas', 'plugged': 'ppnas', 'darts': 'cdarts', 'chain': 'cdarts'}
"""The algorithm of each space; ``senas`` for the others."""


def to_search(
    finished: Config,
    space: str = 'plugged',
    algorithm: str | None = None,
    limits: Mapping[str, Any] | None = None,
    where: str | None = None,
    processes: int = 1,
) -> Config:
    """Return the config of a search for the backbone of a finished config.

    Args:
        finished: A loaded config of mmpretrain, mmdet or mmseg; it is not changed.
        space: One of :data:`SPACES`.
        algorithm: One of :data:`ALGORITHMS`; ``None``: the one of the space's paper.
        limits: Limits on the cost, see :class:`~ppnas_mm.costs.limits.Limits`.
        where: Which convolutions the space ``plugged`` searches.
        processes: Number of processes that share each epoch.

    Raises:
        ConfigError: If the config is a search already, or the space or the algorithm does not suit
            it; the message says what would.
    """
    if space not in SPACES:
        raise ConfigError(f'--space {space}: expected one of {sorted(SPACES)}{hint(space, SPACES)}')
    name = algorithm or USUAL.get(space, 'senas')
    if name not in ALGORITHMS:
        raise ConfigError(
            f'--algorithm {name}: expected one of {sorted(ALGORITHMS)}{hint(name, ALGORITHMS)}'
        )
    if where is not None and space != 'plugged':
        raise ConfigError(f"--where names convolutions of the space 'plugged', not of {space!r}")
    config = copy.deepcopy(finished)
    model = _network(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        _search_backbone(model, space, where)
    chosen = ALGORITHMS[name]
    recipe = Config.fromfile(str(shipped(f'_base_/search/{chosen.recipe}.py')))
    object.__setattr__(config, '_filename', f'{name}_{space}_{Path(config.filename or "").name}')
    config.model = dict(type=f'ppnas_mm.{chosen.type}', model=model)
    _set_limits(config.model, chosen.type, limits)
    if name == 'cdarts':
        config.model |= _for_cdarts(model, space)
    _set_optimizers(config, recipe)
    _set_epochs(config, recipe, processes)
    if chosen.recipe == 'one_shot':
        config.model |= _for_one_shot(chosen.type, config.train_cfg.max_epochs)
    _set_hooks(config, recipe)
    if config.get('load_from'):
        print_log('load_from is left out: the weights are of another backbone', 'current')
        config.load_from = None
    return config


def _network(config: Config) -> Any:
    """Take the model out of a finished config."""
    model = config.get('model')
    if not isinstance(model, Mapping) or not isinstance(model.get('backbone'), Mapping):
        if isinstance(model, Mapping) and isinstance(model.get('model'), Mapping):
            raise ConfigError(f'{type_name(model)} is a search already: leave --space out')
        raise ConfigError('the config has no model.backbone to search')
    scope = library(config)
    config.setdefault('default_scope', scope)
    kind = model['backbone'].get('type')
    if isinstance(kind, str) and '.' not in kind:  # its library, whoever builds it
        model['backbone']['type'] = f'{config.default_scope}.{kind}'
    return config.pop('model')


def _search_backbone(model: dict[str, Any], space: str, where: str | None) -> None:
    """Replace the backbone by the super-net of a space."""
    old = dict(model['backbone'])
    maps = maps_of(old)
    if space == 'plugged':
        # new blocks must learn, and their norms have no statistics yet
        known = inspect.signature(class_of(old)).parameters
        none = known['frozen_stages'].default if 'frozen_stages' in known else -1
        for key, value in (('frozen_stages', none), ('norm_eval', False), ('with_cp', False)):
            default = known[key].default if key in known else value
            if old.get(key, default) != value:  # in mmdet norm_eval=True by default
                print_log(f'model.backbone.{key}={value} in the search', 'current')
                old[key] = value
        pretrained = model.pop('pretrained', None)
        if pretrained and 'init_cfg' not in old:
            old['init_cfg'] = dict(type='Pretrained', checkpoint=pretrained)
        new = {**SPACES[space], 'backbone': old}
        if where is not None:
            new['where'] = where
    elif OWN.get(type_name(old), ('',))[0] == space:
        own = {key: value for key, value in old.items() if key not in OF_ONE}
        new = {**OWN[type_name(old)][1], **own, 'type': SPACES[space]['type']}
        print_log(f'the search keeps the size of {type_name(old)}', 'current')
    else:
        model.pop('pretrained', None)
        if 'head' in model:  # a classifier reads the last map only
            maps = maps[-1:]
        small = len(maps) == 1 and 0 < maps[0].stride < 16
        new = fitted({**SPACES[space], **(SMALL[space] if small else {})}, old, maps)
    for change in swap(model, new, maps):
        print_log(change, 'current')


def _set_limits(algorithm: dict, kind: str, limits: Mapping[str, Any] | None) -> None:
    """Give an algorithm its limits."""
    if not limits:
        return
    from .. import algorithms

    if 'limits' not in inspect.signature(getattr(algorithms, kind).__init__).parameters:
        raise ConfigError(
            f'--limits: {kind} has none; with limits: random, spos, senas, and cdarts in chains'
        )
    algorithm['limits'] = dict(limits)


def _for_cdarts(model: Mapping[str, Any], space: str) -> dict[str, Any]:
    """Return the arguments that only CDARTS has.

    Raises:
        ConfigError: If the model is no classifier, or the space has no settings for it.
    """
    head = model.get('head') or {}
    if 'num_classes' not in head or space not in CDARTS:
        raise ConfigError(
            f'--algorithm cdarts compares logits of classifiers in the spaces {sorted(CDARTS)}; '
            'otherwise take ppnas, gdas, eoinas, spos or senas'
        )
    return {**copy.deepcopy(CDARTS[space]), 'classes': head['num_classes']}


def _for_one_shot(kind: str, epochs: int) -> dict[str, Any]:
    """Return how SPOS and SE-NAS evaluate, and the lengths of SE-NAS' stages.

    These are 100 and 5 of the paper's 120 epochs.  Its 1,000 models for each operation, evaluated
    on all images held out, would take longer than the training.
    """
    found: dict[str, Any] = dict(eval_batches=20)
    if kind == 'SENAS':
        first, later = max(1, epochs * 100 // 120), max(1, epochs * 5 // 120)
        found |= dict(first_epochs=first, stage_epochs=later)
        found |= dict(models_per_op=200, scoring_recalibrate_batches=4)
        print_log(f'SE-NAS shrinks after {first} epochs, then every {later}', 'current')
    words = ', '.join(f'model.{k}={v}' for k, v in found.items() if not k.endswith('_epochs'))
    print_log(f'architectures are evaluated with {words}', 'current')
    return found


def _set_optimizers(config: Config, recipe: Config) -> None:
    """Give the weights the config's own optimizer and schedule, and alpha those of the recipe."""
    own = config.get('optim_wrapper')
    if not isinstance(own, Mapping) or 'optimizer' not in own:
        raise ConfigError('optim_wrapper: the config has no optimizer to train the weights with')
    own = dict(own)
    if 'constructor' in own and type_name({'type': own['constructor']}) not in (
        'DefaultOptimWrapperConstructor',
    ):
        print_log(f'optim_wrapper.constructor={own["constructor"]} is left out', 'current')
        own.pop('paramwise_cfg', None)
    own.pop('constructor', None)
    wrapper = dict(constructor='ppnas_mm.SearchOptimConstructor', weights=own)
    wrapper |= {
        name: (own if name == 'evaluation' else part)
        for name, part in recipe.optim_wrapper.items()
        if name not in ('constructor', 'weights')
    }
    schedule = config.get('param_scheduler') or []
    schedule = [schedule] if isinstance(schedule, Mapping) else list(schedule)
    config.optim_wrapper = wrapper
    config.param_scheduler = {
        name: [] if name == 'arch' else copy.deepcopy(schedule)
        for name in wrapper
        if name != 'constructor'
    }


def _set_epochs(config: Config, recipe: Config, processes: int) -> None:
    """Count in epochs: algorithms act between them."""
    own = dict(config.get('train_cfg') or {})
    epochs: Any = own.get('max_epochs')
    iterations: Any = own.get('max_iters')
    if epochs is None and iterations is not None:
        steps = _steps(config, recipe, processes)
        epochs = max(1, round(iterations / steps))
        print_log(f'{iterations} iterations are {epochs} epochs of {steps} steps', 'current')
        _end_schedules(config.param_scheduler, iterations, epochs * steps)
        interval = max(1, round(own.get('val_interval', iterations) / steps))
        own['val_interval'] = min(interval, epochs)
        sampler = config.train_dataloader.get('sampler') or {}
        if type_name(sampler) == 'InfiniteSampler':
            config.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    if not epochs:
        raise ConfigError('train_cfg: expected max_epochs or max_iters')
    given = recipe.get('train_cfg', {})
    train: dict[str, Any] = dict(max_epochs=epochs, val_interval=own.get('val_interval', 1))
    if 'type' in given:
        train |= {k: v for k, v in given.items() if k in ('type', 'val_share')}
    else:
        train['by_epoch'] = True
    config.train_cfg = train
    if recipe.get('model_wrapper_cfg'):
        config.model_wrapper_cfg = recipe.model_wrapper_cfg


def _steps(config: Config, recipe: Config, processes: int) -> int:
    """Return the steps of an epoch: all training images once, or those of the half ``train``."""
    from mmengine.registry import DATASETS

    from ..datasets.half import Half

    loader, loop = config.train_dataloader, recipe.get('train_cfg', {})
    with DefaultScope.overwrite_default_scope(config.default_scope):
        given = copy.deepcopy(loader.dataset)
        if 'type' in loop:
            images = len(Half(given, 'train', val_share=loop.get('val_share', 0.5)))
        else:
            images = len(DATASETS.build(given))
    batches = math.ceil(images / processes) / int(loader.batch_size)
    return max(1, math.floor(batches) if loader.get('drop_last') else math.ceil(batches))


def _end_schedules(schedules: Mapping[str, Any], iterations: int, steps: int) -> None:
    """Let schedules in iterations that end with the run end with the epochs that replace it."""
    for schedule in (one for part in schedules.values() for one in part):
        if schedule.get('by_epoch', True):
            continue
        begin = schedule.get('begin', 0)
        for key, end in (('end', iterations), ('T_max', iterations - begin)):
            if schedule.get(key) == end:
                schedule[key] = steps - (begin if key == 'T_max' else 0)


def _set_hooks(config: Config, recipe: Config) -> None:
    """Add the hooks of a search; checkpoints and logs count in epochs."""
    hooks = dict(config.get('default_hooks') or {})
    saved = hooks.get('checkpoint') or {}
    hooks['checkpoint'] = dict(type='ppnas_mm.SafeCheckpointHook', interval=1)
    hooks['checkpoint'] |= {k: saved[k] for k in ('save_best', 'rule') if k in saved}
    for name, kind in (('epoch_seed', 'EpochSeedHook'), ('data_check', 'DataCheckHook')):
        hooks.setdefault(name, dict(type=f'ppnas_mm.{kind}'))
    hooks['sampler_seed'] = dict(type='DistSamplerSeedHook')
    hooks['search'] = recipe.default_hooks.search
    config.default_hooks = hooks
    processor = config.get('log_processor')
    if processor and not processor.get('by_epoch', True):
        processor['by_epoch'] = True
