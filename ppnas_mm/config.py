"""Configs of the tools: loaded with their overrides, and checked before anything long starts."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner


class ConfigError(ValueError):
    """A config that cannot be right; the message names the key and the likely right one."""


RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
OTHER_KEYS = frozenset(
    {
        'activation_checkpointing',
        'compile',
        'custom_imports',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'sync_bn',
        'test_pipeline',
        'tta_model',
        'tta_pipeline',
    }
)
HOOK_KEYS = frozenset(
    {
        'runtime_info',
        'timer',
        'sampler_seed',
        'logger',
        'param_scheduler',
        'checkpoint',
        'visualization',
    }
)


def _hint(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(map(str, known)), n=1, cutoff=0.8)
    return f'; did you mean {close[0]!r}?' if close else ''


def _check_keys(given: Iterable[str], known: frozenset[str], where: str, closed: bool) -> None:
    for key in given:
        hint = _hint(key, known)
        if key not in known and (closed or hint):
            raise ConfigError(f'{where}: unknown key {key!r}{hint or f"; known: {sorted(known)}"}')


def _mappings(node: Any) -> Iterator[Any]:
    """Yield every mapping inside of a config."""
    if isinstance(node, Mapping):
        yield node
    for value in node.values() if isinstance(node, Mapping) else node:
        if isinstance(value, (Mapping, list, tuple)):
            yield from _mappings(value)


def _set_data_root(config: Config, root: str) -> None:
    """Point every data set, and the annotation files of evaluators, to another folder."""
    loaders = [config.get(f'{part}_dataloader') or {} for part in ('train', 'val', 'test')]
    datasets = [node for node in _mappings(loaders) if isinstance(node.get('data_root'), str)]
    if not datasets:
        raise ConfigError('--cfg-options data_root: no data set of the config has a data_root')
    before = {node['data_root'].rstrip('/') + '/' for node in datasets}
    if len(before) > 1:
        raise ConfigError(f'--cfg-options data_root: set each of the folders {sorted(before)}')
    old = before.pop()
    for node in datasets:
        node['data_root'] = root
    for node in _mappings([config.get(f'{part}_evaluator') or {} for part in ('val', 'test')]):
        file = str(node.get('ann_file'))
        if file.startswith(old):
            node['ann_file'] = f'{root.rstrip("/")}/{file[len(old) :]}'


def _overrides(config: Config, options: Mapping[str, Any]) -> None:
    options = dict(options)
    if 'data_root' in options:
        _set_data_root(config, str(options.pop('data_root')))
    readable = RUNNER_KEYS | OTHER_KEYS
    for dotted in options:
        where = f'--cfg-options {dotted}'
        first, *_ = parts = dotted.split('.')
        if first not in readable:
            hint = _hint(first, readable)
            raise ConfigError(
                f'{where}: no run reads {first!r}; override it where it is used{hint}'
            )
        node: Any = config
        for i, part in enumerate(parts[:-1]):
            try:
                node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
            except (KeyError, IndexError, ValueError, TypeError):
                known = node.keys() if isinstance(node, (Mapping, Config)) else ()
                spot = '.'.join(parts[: i + 1])
                raise ConfigError(
                    f'{where}: the config has no {spot!r}{_hint(part, known)}'
                ) from None
    config.merge_from_dict(options)


def replace_sync_bn(node: Any) -> None:
    """Replace ``SyncBN`` by ``BN`` in a config, in place: torch's needs a GPU."""
    for mapping in _mappings(node):
        if mapping.get('type') == 'SyncBN':
            mapping['type'] = 'BN'


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Load a config file and merge ``options`` (dotted key -> value) into it.

    The option ``data_root`` points all data sets of the config to another folder.

    A top-level name that is almost, but not quite, one that mmengine's runner knows is an error,
    as is a hook slot or an override that does not exist: mmengine would ignore them silently.

    Raises:
        ConfigError: Naming the key and the likely right one.
    """
    if not Path(path).is_file():
        raise ConfigError(f'config {path}: no such file')
    try:
        config = Config.fromfile(str(path))
    except (SyntaxError, KeyError, TypeError, ValueError, OSError) as error:
        raise ConfigError(f'config {path}: {str(error).splitlines()[0]}') from error
    _overrides(config, options or {})
    _check_keys(config.keys(), RUNNER_KEYS | OTHER_KEYS, f'config {path}', closed=False)
    _check_keys(config.get('default_hooks') or {}, HOOK_KEYS, f'config {path}: default_hooks', True)
    if 'model' not in config:
        raise ConfigError(f"config {path}: missing key 'model'")
    return config
