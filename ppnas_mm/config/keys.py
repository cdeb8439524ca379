"""Finds misspelt top-level keys and hook slots of a config."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.runner import Runner


class ConfigError(ValueError):
    """An invalid config; the message names the key and, if known, the right one."""


OTHER_KEYS = frozenset(
    {
        'activation_checkpointing',
        'compile',
        'custom_imports',
        'efficient_conv_bn_eval',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'sync_bn',
        'test_pipeline',
        'tta_model',
        'tta_pipeline',
    }
)
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
KEYS = RUNNER_KEYS | OTHER_KEYS
"""Top-level keys that mmengine's runner and its libraries read."""

SLOTS = {
    'runtime_info': 'RuntimeInfoHook',
    'timer': 'IterTimerHook',
    'sampler_seed': 'DistSamplerSeedHook',
    'logger': 'LoggerHook',
    'param_scheduler': 'ParamSchedulerHook',
    'checkpoint': 'CheckpointHook',
    'visualization': 'VisualizationHook',
    'epoch_seed': 'EpochSeedHook',
    'data_check': 'DataCheckHook',
    'search': 'SearchHook',
    'channels_last': 'ChannelsLastHook',
    'drop_path': 'DropPathHook',
}
"""Slots of ``default_hooks``: those of mmengine and of this package, with the hook of each."""

ENGINE_SLOTS = frozenset(list(SLOTS)[:6])
"""Slots that mmengine fills; ``None`` empties them."""

TEXT = {'work_dir', 'load_from', 'launcher', 'log_level', 'default_scope', 'experiment_name'}
CHOSEN = {'work_dir', 'experiment_name', 'launcher', 'log_level'}  # optional in a run
LISTS = {'custom_hooks', 'tta_pipeline'}
EITHER = {'param_scheduler', 'val_evaluator', 'test_evaluator', 'compile', 'sync_bn'}
SWITCHES = {'resume', 'find_unused_parameters'}
MAPPINGS = (
    *(f'{part}_{what}' for part in ('train', 'val', 'test') for what in ('cfg', 'dataloader')),
    *('model', 'optim_wrapper', 'default_hooks', 'data_preprocessor', 'randomness'),
    *('env_cfg', 'env_cfg.mp_cfg', 'env_cfg.dist_cfg', 'model.backbone', 'optim_wrapper.optimizer'),
)
"""Dotted keys of a run whose values are mappings; a key comes after the one that has it."""


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a word probably means.

    ``<more>_<known>_<more>`` (``val_evaluator_coco``) and ``..._pipeline`` are taken as names that
    somebody chose.
    """
    names = {name.lower(): name for name in map(str, known)}
    close = difflib.get_close_matches(word.lower(), sorted(names), n=1, cutoff=0.8)
    if not close or re.fullmatch(f'(.+_{close[0]}|(.+_)?{close[0]}(_.+|[0-9]+))', word.lower()):
        return None
    ratio = difflib.SequenceMatcher(None, word.lower(), close[0]).ratio()
    if close[0].endswith('_pipeline') and ratio < 0.9:
        return None
    return names[close[0]]


def hint(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for a probably misspelt word, else nothing."""
    close = near_miss(word, known)
    return f'; did you mean {close!r}?' if close else ''


def mappings(node: Any) -> Iterator[Any]:
    """Yield every mapping inside of a config."""
    if isinstance(node, Mapping):
        yield node
    for value in node.values() if isinstance(node, Mapping) else node:
        if isinstance(value, (Mapping, list, tuple)):
            yield from mappings(value)


def type_name(config: Any) -> str:
    """Return the name of the class that a config's ``type`` names, without scope or module.

    In pure-Python configs it is the class itself.
    """
    kind = config.get('type', '') if isinstance(config, Mapping) else config
    return str(getattr(kind, '__name__', kind)).split('.')[-1]


def _imported(value: Any) -> bool:
    """Whether a pure-Python config imports a value instead of setting it."""
    return isinstance(value, (LazyObject, LazyAttr, ModuleType)) or callable(value)


def _of_kind(key: str, value: Any) -> bool:
    """Whether a value has the type of a key of the run."""
    if key in TEXT:
        return isinstance(value, str)
    if key in SWITCHES:
        return isinstance(value, bool)
    if key in LISTS:
        return isinstance(value, (list, tuple))
    return isinstance(value, Mapping) or (key in EITHER and isinstance(value, (list, tuple, str)))


def _used(config: Mapping[str, Any], key: str) -> bool:
    """Whether the value of a helper variable is used elsewhere in the config."""

    def inside(node: Any, value: Any) -> bool:
        if isinstance(node, type(value)) and node == value:
            return True
        if isinstance(node, str) and isinstance(value, str) and value in node:
            return True
        inner = node.values() if isinstance(node, Mapping) else node
        return isinstance(node, (Mapping, list, tuple)) and any(inside(n, value) for n in inner)

    value = config[key]
    return bool(value) and any(inside(v, value) for k, v in config.items() if k != key)


def check_mappings(config: Mapping[str, Any]) -> None:
    """Find parts of a run that are not mappings.

    Raises:
        ConfigError: If there is one.
    """
    for key in MAPPINGS:
        value: Any = config
        for part in key.split('.'):
            value = (value or {}).get(part)
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(f'{key}={value!r:.60}: expected a mapping')


def check_top_level(config: Mapping[str, Any]) -> list[str]:
    """Find top-level names that probably mean a key of the run.

    OpenMMLab allows any top-level name: helper variables such as ``train_pipeline`` are valid.

    Args:
        config: A loaded config.

    Returns:
        A remark for each name that resembles a key but may be a helper variable.

    Raises:
        ConfigError: If a key is missing and a similar name has a value of its type that nothing in
            the config uses.
    """
    remarks = []
    for key, value in config.items():
        close = near_miss(key, KEYS) if key not in KEYS and not _imported(value) else None
        if close is None or _used(config, key):
            continue
        if close not in config and close not in CHOSEN and _of_kind(close, value):
            raise ConfigError(f'unknown key {key!r}; did you mean {close!r}?')
        remarks.append(f'no run reads {key!r}; if {close!r} was meant, it is misspelt')
    return remarks


def check_hooks(config: Mapping[str, Any]) -> list[str]:
    """Find misspelt slots of ``default_hooks``; any other name is allowed.

    Returns:
        A remark for each slot that resembles another slot of the config.

    Raises:
        ConfigError: If a slot has no hook, or resembles one that is missing.
    """
    hooks = config.get('default_hooks') or {}
    remarks = []
    for slot, hook in hooks.items():
        if slot in SLOTS or _imported(hook):
            continue
        close, where = near_miss(slot, SLOTS), f'default_hooks: unknown key {slot!r}'
        meant = f'; did you mean {close!r}?' if close else ''
        if isinstance(hook, Mapping) and not hook.get('type'):
            known = meant or f'; a slot of your own needs a type; known: {sorted(SLOTS)}'
            raise ConfigError(where + known)
        if close is not None and close not in hooks:
            raise ConfigError(where + meant)
        if close is not None:
            remarks.append(f'default_hooks has {close!r} and {slot!r}: both run; is one misspelt?')
    return remarks


def settle_hooks(config: Any) -> None:
    """Remove duplicate hooks of this package and empty slots that mmengine fails on, in place.

    A hook in ``custom_hooks`` takes precedence over its slot.

    Raises:
        ConfigError: If ``custom_hooks`` is not a list.
    """
    given = config.get('custom_hooks') or ()
    if not isinstance(given, (list, tuple)):
        raise ConfigError(f'custom_hooks: expected a list, got {type(given).__name__}')
    custom = {type_name(hook) for hook in given if hook}
    hooks = config.get('default_hooks') or {}
    for slot in [slot for slot in hooks if slot not in ENGINE_SLOTS]:
        name = type_name(hooks[slot] or {})
        if hooks[slot] is None or (slot in SLOTS and name in custom):
            del hooks[slot]
