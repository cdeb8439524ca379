"""Build the checked config of a run from the arguments of a tool."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
from pathlib import Path
from typing import Any


def _launch_on_cpu(config: Any) -> None:
    """Start the process group; mmengine's launcher and default wrapper need a GPU."""
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=config.get('find_unused_parameters', False),
    )
    if config.get('model_wrapper_cfg') is None:
        config.model_wrapper_cfg = wrapper


def load_run(args: argparse.Namespace) -> Any:
    """Load the config of a run and apply the arguments, without starting the run."""
    import torch

    from ..config.keys import ConfigError
    from ..config.load import load_config, replace_sync_bn, require_library
    from ..config.values import check_values
    from ..weights.checkpoint import refuse_code
    from .launchers import check_launcher
    from .model_options import changed

    refuse_code()
    change = changed(args) or getattr(args, 'change', None)
    config = load_config(args.config, args.cfg_options, change)
    require_library(config, args.config)
    try:
        check_values(config)
    except ConfigError as error:
        raise ConfigError(f'config {args.config}: {error}') from None
    check_launcher(args.launcher, os.environ)
    if not torch.cuda.is_available():
        replace_sync_bn(config.model)
    _safe_checkpoints(config)
    config.launcher = args.launcher
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _launch_on_cpu(config)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    name = config.filename if change else args.config
    default = Path('work_dirs') / Path(name).stem
    config.work_dir = args.work_dir or config.get('work_dir') or str(default)
    randomness = dict(config.get('randomness') or {})
    seed = getattr(args, 'seed', None)
    randomness['seed'] = randomness.get('seed') or 0 if seed is None else seed
    config.randomness = randomness
    if getattr(args, 'amp', False):
        _mix_precision(config.optim_wrapper, torch.cuda.is_available())
    return config


def _safe_checkpoints(config: Any) -> None:
    """Let this package's hook save the checkpoints: atomically, and readable as plain data.

    mmengine's hook saves its log with methods inside, so its files are not plain data.
    """
    from ..config.keys import type_name

    hooks = config.setdefault('default_hooks', {})
    hook = hooks.setdefault('checkpoint', {'type': 'CheckpointHook', 'interval': 1})
    if hook and type_name(hook) == 'CheckpointHook' and 'backend_args' not in hook:
        hook['type'] = 'ppnas_mm.SafeCheckpointHook'
        hook.setdefault('max_keep_ckpts', -1)


def _mix_precision(wrapper: Any, gpu: bool) -> None:
    """Make the optimizer wrapper of the weights run all forward passes in mixed precision."""
    part = wrapper.get('weights', wrapper)
    if gpu:
        part['type'] = 'AmpOptimWrapper'
        part.setdefault('loss_scale', 'dynamic')
        return
    part['type'] = 'ppnas_mm.BFloat16OptimWrapper'
    for key in ('loss_scale', 'dtype'):  # options of the GPU wrapper
        part.pop(key, None)


def require_search(config: Any, path: str) -> None:
    """Check that a config is for a search, before any training.

    If the config lists no ``SearchHook``, one is added.

    Raises:
        ConfigError: If its model is not a search algorithm, or its work dir has a file of the user
            that the search would overwrite.
    """
    from ..algorithms.base import SearchAlgorithm
    from ..config.keys import ConfigError, type_name
    from ..utils.registries import MODELS
    from .work_dir import require_place

    kind = config.model.type
    with MODELS.switch_scope_and_registry(config.get('default_scope')) as registry:
        kind = kind if inspect.isclass(kind) else registry.get(kind)
    if kind is None:
        raise ConfigError(f'config {path}: {_unknown(str(config.model.type))}')
    if not (inspect.isclass(kind) and issubclass(kind, SearchAlgorithm)):
        raise ConfigError(
            f'config {path} trains a network (model.type={type_name(config.model)!r}) and is not a '
            "search. A search wraps the model: model=dict(type='ppnas_mm.PPNAS', model=...), see "
            'configs/search. To train the network, use tools/train.py'
        )
    require_place(Path(config.work_dir))
    hooks = [*(config.get('default_hooks') or {}).values(), *(config.get('custom_hooks') or ())]
    if not any(type_name(hook or {}).endswith('SearchHook') for hook in hooks):
        config.setdefault('default_hooks', {})['search'] = dict(type='ppnas_mm.SearchHook')


def _unknown(name: str) -> str:
    """Say that there is no such search algorithm, and which may be meant."""
    from ..algorithms.base import SearchAlgorithm
    from ..utils.registries import MODELS

    classes = filter(inspect.isclass, MODELS.module_dict.values())
    names = [kind.__name__ for kind in classes if issubclass(kind, SearchAlgorithm)]
    close = difflib.get_close_matches(name.rpartition('.')[2], names, n=1)
    meant = f"; did you mean 'ppnas_mm.{close[0]}'" if close else ''
    return (
        f'model.type={name!r}: no such class{meant}. An algorithm of your own is registered in '
        'ppnas_mm.registry.MODELS, imported by custom_imports, and named ppnas_mm.NAME'
    )


def require_arch(config: Any, option: str) -> None:
    """Check that a config has a searched backbone, whose architecture can be replaced.

    Raises:
        ConfigError: If it has none.
    """
    from ..config.keys import ConfigError

    if 'arch' not in (config.model.get('backbone') or {}):
        raise ConfigError(f'{option}: the config has no model.backbone.arch to replace')


def set_genotype(config: Any, path: str | Path) -> None:
    """Replace the config's ``model.backbone.arch`` by a genotype.

    Raises:
        ConfigError: If the config has no searched backbone, or the search of the genotype failed.
        GenotypeError: If the genotype is not valid.
    """
    from ..config.keys import ConfigError
    from ..genotype import Genotype

    genotype = Genotype.load(path)
    status = str(genotype.provenance.get('status', ''))
    if status.startswith('failed'):
        raise ConfigError(
            f'{path} is of a search that {status[:300]}; it is kept for pictures. Search again, or '
            'take another genotype'
        )
    if status.startswith('provisional'):
        print(f'warning: {path} is {status[:200]}')
    require_arch(config, '--genotype')
    config.model.backbone.arch = genotype.to_dict()
