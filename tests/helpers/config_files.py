"""Shared by the tests of configs and others."""

import ast
import re
from pathlib import Path
from typing import Any

import torch
from made_tables import made_table
from mmengine.registry import (
    MODELS,
    PARAM_SCHEDULERS,
    DefaultScope,
)
from zoo import NETWORKS

from ppnas_mm.config.load import load_config
from ppnas_mm.costs.table import UNITS

CONFIGS = Path(__file__).parents[2] / 'configs'


DOWNSTREAM = re.compile('_(digit-scenes|cityscapes)$')  # other tests' work


FILES = sorted(
    p
    for p in CONFIGS.glob('*/*.py')
    if p.parent.name in ('search', 'classification') and not DOWNSTREAM.search(p.stem)
)


NAMES = [f'{path.parent.name}/{path.stem}' for path in FILES]


MOST_LEVELS = 4


STRUCTURE = {'arch', 'ops', 'macro', 'variant'}


"""Arguments of a backbone that a smaller one keeps."""


def load(name: str, options: dict[str, Any] | None = None) -> Any:
    """Load ``configs/<name>.py``; a table of a benchmark is a made-up one."""
    config = load_config(CONFIGS / f'{name}.py', options)
    if config.model.type == 'ppnas_mm.TableSearch':
        macro = 'Macro' in config.model.model.backbone.type
        config.model.table = made_table('nasbench-macro' if macro else 'nasbench201')
    return config


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
    """Make the networks as small as they can be and still have a block of each kind."""
    model = classifier(config)
    backbone, head = model.backbone, model.head
    small = {k: v for k, v in NETWORKS[backbone.type].items() if k not in STRUCTURE}
    if 'depth' in small:
        imagenet = backbone.type.endswith('PPResNet') or backbone.get('macro') == 'imagenet'
        small['depth'] = 50 if imagenet else 20
    backbone.update(small)
    evaluation = config.model.get('evaluation', {})
    evaluation.update({k: v for k, v in small.items() if k in evaluation})
    with scope(config), torch.device('meta'):
        head.in_channels = MODELS.build(backbone).out_channels[-1]
    if 'aux_channels' in head:
        head.aux_channels = head.in_channels
    limits = config.model.get('limits') or {}  # of another size; all that is small keeps these
    limits.update({unit: 1e12 for unit in UNITS if unit in limits})
    return config


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


def weights_part(config: Any) -> tuple[Any, list[Any]]:
    """The optimizer wrapper of the weights, and its schedulers; that of alpha has none."""
    optim, schedulers = config.optim_wrapper, config.get('param_scheduler') or []
    if 'weights' in optim:
        optim = optim.weights
        if isinstance(schedulers, dict) and 'weights' in schedulers:
            assert not schedulers.get('arch'), 'the rate of the architecture is fixed'
            schedulers = schedulers['weights']
    return optim, schedulers if isinstance(schedulers, list) else [schedulers]


def learning_rates(config: Any, length: int) -> list[float]:
    """The learning rate of the weights at each step, for epochs of ``length`` steps."""
    optim, schedulers = weights_part(config)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=optim.optimizer.lr)
    given = dict(optimizer=optimizer, epoch_length=length)
    end = dict(end=config.train_cfg.max_epochs)  # the runner's default
    built = [PARAM_SCHEDULERS.build({**end, **s}, default_args=given) for s in schedulers]
    rates = []
    for i in range(config.train_cfg.max_epochs * length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or (i + 1) % length == 0:
                scheduler.step()
    return rates
