"""Loads configs with their overrides and checks them before anything long starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.logging import print_log
from mmengine.utils import is_installed

from ..utils import doors
from ..utils.compat import require
from .class_count import follow_folders
from .data import check_bases, check_values, is_data
from .keys import (
    KEYS,
    ConfigError,
    check_hooks,
    check_mappings,
    check_top_level,
    hint,
    mappings,
    settle_hooks,
    type_name,
)
from .shipped import LIBRARIES, find_config

__all__ = ['ConfigError', 'library', 'load_config', 'replace_sync_bn', 'require_library']


def _set_data_root(config: Config, root: str) -> None:
    """Point every data set, and the annotation files of evaluators, to another folder."""
    loaders = [config.get(f'{part}_dataloader') or {} for part in ('train', 'val', 'test')]
    datasets = [node for node in mappings(loaders) if isinstance(node.get('data_root'), str)]
    if not datasets:
        raise ConfigError('--cfg-options data_root: no data set of the config has a data_root')
    before = {node['data_root'].rstrip('/') + '/' for node in datasets}
    if len(before) > 1:
        raise ConfigError(f'--cfg-options data_root: set each of the folders {sorted(before)}')
    old = before.pop()
    for node in datasets:
        node['data_root'] = root
    for node in mappings([config.get(f'{part}_evaluator') or {} for part in ('val', 'test')]):
        file = str(node.get('ann_file'))
        if file.startswith(old):
            node['ann_file'] = f'{root.rstrip("/")}/{file[len(old) :]}'


def _overrides(config: Config, options: Mapping[str, Any]) -> None:
    options = dict(options)
    if 'data_root' in options:
        _set_data_root(config, str(options.pop('data_root')))
        if words := follow_folders(config, options):
            print_log(words, 'current')
    for dotted, value in options.items():
        _check_override(config, dotted, value)
        if isinstance(value, str) and value.startswith(('{', 'dict(')):
            raise ConfigError(
                f'--cfg-options {dotted}={value:.60}: a mapping cannot be given; '
                f'give its entries: {dotted}.KEY=VALUE'
            )
    try:
        config.merge_from_dict(options)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise ConfigError(f'--cfg-options: {str(error).splitlines()[0]}') from None


def _check_override(config: Config, dotted: str, value: Any) -> None:
    """Refuse a key that is probably misspelt, and a plain value for what is built of a mapping.

    mmengine would add it silently.
    """
    where = f'--cfg-options {dotted}'
    first, *_ = parts = dotted.split('.')
    if first not in KEYS:
        text = f'{where}: no run reads {first!r}; override it where it is used'
        if first not in config:
            raise ConfigError(text + hint(first, KEYS | set(config.keys())))
        warn(text)
    node: Any = config
    for i, part in enumerate(parts[:-1]):
        spot = f'the config has no {".".join(parts[: i + 1])!r}'
        if isinstance(node, (dict, Config)):
            _refuse_index(node, part, where, parts[:i])
            if part not in node and (meant := hint(part, node.keys())):
                raise ConfigError(f'{where}: {spot}{meant}')
            if node.get(part) is None:  # a new entry; mmengine does not merge into None
                node[part] = ConfigDict()
        if isinstance(node, (list, tuple)) and not part.isdigit():
            raise ConfigError(f'{where}: {spot}')
        try:
            node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
        except (IndexError, ValueError, TypeError):
            raise ConfigError(f'{where}: {spot}') from None
    _refuse_index(node, parts[-1], where, parts[:-1])
    _refuse_plain(node, parts[-1], value, where)


def _refuse_plain(node: Any, part: str, value: Any, where: str) -> None:
    """Refuse a plain value in the place of a mapping that something is built from."""
    old = None
    if isinstance(node, (list, tuple)):
        old = node[int(part)]
    elif isinstance(node, (dict, Config)):
        old = node.get(part)
    if isinstance(old, Mapping) and 'type' in old and isinstance(value, (str, int, float)):
        raise ConfigError(
            f'{where}={value!r:.60}: expected a mapping, as the config has; give its entries: '
            f'{where.split()[-1]}.KEY=VALUE'
        )


def _refuse_index(node: Any, part: str, where: str, before: list[str]) -> None:
    """Refuse an index where there is no list, or one beyond the end of a list."""
    if isinstance(node, (list, tuple)):
        if not part.isdigit() or int(part) >= len(node):
            raise ConfigError(f'{where}: {".".join(before)!r} is a list of {len(node)}, from 0')
    elif part.lstrip('-').isdigit() and part not in node:
        raise ConfigError(f'{where}: {".".join(before)!r} is not a list')


def _settle(config: Config) -> None:
    """Refuse parts that are no mappings; turn lengths such as 4e4 into 40000, as mmengine does."""
    check_mappings(config)
    loop = config.get('train_cfg') or {}
    for key in ('max_epochs', 'max_iters', 'val_interval', 'val_begin'):
        if isinstance(loop.get(key), float) and loop[key].is_integer():
            loop[key] = int(loop[key])


def warn(text: str) -> None:
    """Log a warning."""
    print_log(text, 'current', logging.WARNING)


def replace_sync_bn(node: Any) -> None:
    """Replace ``SyncBN`` by ``BN`` in a config, in place, because torch's needs a GPU."""
    for mapping in mappings(node):
        if type_name(mapping) in ('SyncBN', 'SyncBatchNorm'):
            mapping['type'] = 'BN'


def library(config: Any) -> str:
    """Return the library of a config: that of its model, or its ``default_scope``.

    Pure-Python configs of the libraries have no scope; their ``type`` is a class.

    Raises:
        ConfigError: If neither names one.
    """
    model = config.get('model') or {}
    while 'type' in model:
        kind = model['type']
        scope = kind.split('.')[0] if isinstance(kind, str) else kind.__module__.split('.')[0]
        if scope in LIBRARIES:
            return scope
        if not isinstance(model.get('model'), Mapping):
            break
        model = model['model']  # of a search
    if config.get('default_scope') in LIBRARIES:
        return config.default_scope
    raise ConfigError(
        f'default_scope={config.get("default_scope")!r}: expected one of {list(LIBRARIES)}'
    )


def require_library(config: Any, path: str | Path) -> None:
    """Check that a config has a model and that its library is installed.

    Raises:
        ConfigError: If there is no model.
        ImportError: If the library is missing; the message gives the pip command.
    """
    if 'model' not in config:
        raise ConfigError(f"config {path}: missing key 'model'")
    scope = config.get('default_scope')
    if scope in LIBRARIES:
        # mmengine would only log what the library lacks, and then know none of its classes
        require(f'{scope}.models')
    elif scope not in (None, 'mmengine', 'ppnas_mm'):
        require(scope)


def _name_forks() -> None:
    """Let ``_base_ = 'mmseg::...'`` find a library whose package has another name than mmengine's.

    mmengine asks for the package ``mmsegmentation``, which a fork (onedl-mmsegmentation) is not.
    """
    for module in LIBRARIES:
        package = MODULE2PACKAGE.get(module, module)
        if not is_installed(package) and find_spec(module) is not None:
            MODULE2PACKAGE[module] = module


def _read(path: str | Path) -> Config:
    """Read a config: a ``.py`` file runs, a data config does not."""
    _name_forks()
    if not is_data(path):
        try:
            return Config.fromfile(str(path))
        except ImportError as error:
            if 'custom modules' not in str(error) or os.getcwd() in sys.path:
                raise
            sys.path.append(os.getcwd())  # where `python -m` finds modules, too
            return Config.fromfile(str(path))
    if doors.closed():
        doors.close_imports()
    check_bases(Path(path))
    config = Config.fromfile(str(path), import_custom_modules=False)
    check_values(config.to_dict())
    return config


def load_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    change: Callable[[Config], Config] | None = None,
) -> Config:
    """Load a config file and merge ``options`` (dotted key -> value) into it.

    The option ``data_root`` points all data sets of the config to another folder; if that has one
    folder for each class, their number becomes the model's number of classes.  It logs keys and
    slots that look misspelt but may be right.

    Args:
        path: The file.
        options: Dotted keys and their values.
        change: Makes another config of the file's, before the options.

    Raises:
        ConfigError: If the file cannot be read or a key is wrong; the message names the likely one.
    """
    file = find_config(path)
    try:
        config = _read(file)
    except (SyntaxError, KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        text = str(error).splitlines()[0].removeprefix(f'{path}: ')
        raise ConfigError(f'config {path}: {text}') from error
    try:
        _settle(config)
        config = config if change is None else change(config)
        _overrides(config, options or {})
        _settle(config)
        settle_hooks(config)
        remarks = [*check_top_level(config), *check_hooks(config)]
    except ConfigError as error:
        raise ConfigError(f'config {path}: {error}') from None
    for remark in remarks:
        warn(f'config {path}: {remark}')
    return config
