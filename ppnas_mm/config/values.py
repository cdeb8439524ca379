"""Finds invalid values of a config before anything is built."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine import registry
from mmengine.hooks import CheckpointHook

from .keys import LISTS, SWITCHES, TEXT, ConfigError, hint

WHOLE = {'max_epochs': 1, 'max_iters': 1, 'val_interval': 1, 'batch_size': 1, 'num_workers': 0}
"""Numbers of the loops and loaders, and the least value of each."""
ENVIRONMENT = {
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
    'env_cfg.mp_cfg': ('mp_start_method', 'opencv_num_threads'),
    'env_cfg.dist_cfg': ('backend', 'init_method', 'timeout', 'init_backend', 'device_id'),
}
"""Keys that mmengine reads there; it silently ignores any other."""
TYPED = (
    ('optim_wrapper', ('OPTIM_WRAPPERS', 'OPTIMIZERS')),
    ('default_hooks', ('HOOKS',)),
    ('custom_hooks', ('HOOKS',)),
    ('train_cfg', ('LOOPS',)),
    ('model', ('MODELS',)),
    *((f'{part}_dataloader.sampler', ('DATA_SAMPLERS',)) for part in ('train', 'val', 'test')),
)
"""Where arguments of classes are checked, and the registries of these classes."""


def walk(node: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """Yield every mapping inside of a config with its dotted key."""
    if isinstance(node, Mapping):
        yield path, node
        entries: Any = node.items()
    else:
        entries = enumerate(node)
    for key, value in entries:
        if isinstance(value, (Mapping, list, tuple)):
            yield from walk(value, f'{path}.{key}' if path else str(key))


def _check_top(config: Any) -> None:
    for key, value in config.items():
        if value is None:
            continue
        if key in SWITCHES and not isinstance(value, bool):
            raise ConfigError(f'{key}={value!r}: expected True or False')
        if key in TEXT - {'log_level'} and not isinstance(value, (str, int)):
            raise ConfigError(f'{key}={value!r}: expected a text')
        if key in LISTS and not isinstance(value, (list, tuple)):
            raise ConfigError(f'{key}: expected a list, got {type(value).__name__}')
    level = config.get('log_level')
    names = logging.getLevelNamesMapping() if hasattr(logging, 'getLevelNamesMapping') else LEVELS
    if isinstance(level, str) and level not in names:
        raise ConfigError(f'log_level={level!r}: expected one of {sorted(names)}')


LEVELS = {'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'}


def _check_whole(config: Any) -> None:
    for top in ('train_cfg', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
        for key, least in WHOLE.items():
            value = (config.get(top) or {}).get(key)
            if value is not None and (type(value) is not int or value < least):
                raise ConfigError(f'{top}.{key}={value!r}: expected a whole number from {least}')


def _check_environment(config: Any) -> None:
    for path, known in ENVIRONMENT.items():
        node: Any = config
        for part in path.split('.'):
            node = node.get(part) or {}
        for key in node:
            meant = hint(str(key), known)
            if key not in known and meant:
                raise ConfigError(f'{path}: unknown key {key!r}{meant}')


def _find(kind: Any, names: tuple[str, ...], scope: str | None) -> Any:
    """Return the class that a ``type`` names, or ``None``."""
    if not isinstance(kind, str):
        return kind if inspect.isclass(kind) else None
    for name in names:
        with getattr(registry, name).switch_scope_and_registry(scope) as here:
            found = here.get(kind)
        if inspect.isclass(found):
            return found
    return None


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    """Return the named arguments of a class, including those that it passes to its bases."""
    found: dict[str, inspect.Parameter] = {}
    for base in reversed(kind.__mro__[:-1]):
        if '__init__' in vars(base):
            found.update(inspect.signature(vars(base)['__init__']).parameters)
    plain = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {k: p for k, p in found.items() if p.kind in plain and k != 'self'}


def _takes_text(parameter: inspect.Parameter) -> bool:
    """Whether an argument is annotated as one that may be a text, besides its default."""
    return bool(re.search(r'\b(str|Any|Literal)\b', str(parameter.annotation)))


def _check_arguments(path: str, node: Any, kind: type) -> None:
    known = _parameters(kind)
    for key, value in node.items():
        where = f'{path}.{key}={value!r}'
        default = known[key].default if key in known else None
        text = isinstance(value, str) and not (key in known and _takes_text(known[key]))
        if issubclass(kind, CheckpointHook) and key not in (*known, 'type'):
            meant = hint(str(key), known)
            if meant:  # it accepts any key, and fails when it saves
                raise ConfigError(f'{path}: unknown key {key!r}{meant}')
        if isinstance(default, bool) and text:
            raise ConfigError(f'{where}: expected True or False')
        number = isinstance(default, (int, float)) and not isinstance(default, bool)
        if number and text:
            raise ConfigError(f'{where}: expected a number')


def check_values(config: Any) -> None:
    """Find values that would fail later or be silently ignored.

    Args:
        config: A config whose library is imported.

    Raises:
        ConfigError: If there is one; the message names key, value and what is expected.
    """
    _check_top(config)
    _check_whole(config)
    _check_environment(config)
    for top, names in TYPED:
        node: Any = config
        for part in top.split('.'):
            node = (node.get(part) if hasattr(node, 'get') else None) or {}
        for path, inner in walk(node, top) if isinstance(node, (Mapping, list, tuple)) else ():
            kind = _find(inner.get('type'), names, config.get('default_scope'))
            ours = kind is not None and kind.__module__.startswith('ppnas_mm.')
            if kind is not None and (ours or top != 'model'):
                _check_arguments(path, inner, kind)
