"""Compare the settings of a resumed run with those of its checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mmengine.model import is_model_wrapper

from ..config.keys import KEYS
from ..weights.checkpoint import CheckpointError

FREE = re.compile(
    r'(work_dir|launcher|log_level|log_processor|visualizer|vis_backends|load_from|resume'
    r'|experiment_name|model_wrapper_cfg|find_unused_parameters|tta_\w+|test_\w+'
    r'|env_cfg\.(mp_cfg|dist_cfg)|default_hooks\.(logger|timer|visualization|checkpoint)'
    r'|train_cfg\.(val_interval|val_begin|dynamic_intervals)'
    r'|\w+_dataloader\.(num_workers|persistent_workers|pin_memory|prefetch_factor|timeout)'
    r'|(.+\.)?arch\.provenance)(\..*)?'
)
"""Settings that do not affect training and may change on resuming."""

LENGTH = ('train_cfg.max_epochs', 'train_cfg.max_iters')
FOLLOWERS = ('DropPathHook', 'YOLOXModeSwitchHook')
"""Hooks whose schedule depends on the length of the run."""

PROGRESS = ('last_step', '_global_step', '_last_value', 'base_values', 'verbose', 'end')
"""Entries of a schedule's state that are not constants, and its end, which may follow the run."""

ALLOW = '--cfg-options default_hooks.checkpoint.other_settings=True'


def _flat(node: Any, key: str = '') -> dict[str, Any]:
    """Return the leaves of a config by dotted key, as plain data."""
    if isinstance(node, Mapping):
        items = [(str(name), value) for name, value in node.items()]
    elif isinstance(node, (list, tuple)):
        items = [(str(number), value) for number, value in enumerate(node)]
    else:
        if not isinstance(node, (str, int, float, type(None))):
            kind = node if hasattr(node, '__qualname__') else type(node)
            node = f'{kind.__module__}.{kind.__qualname__}'
        return {key: node}
    if not items:
        return {key: [] if isinstance(node, (list, tuple)) else {}}
    flat: dict[str, Any] = {}
    for name, value in items:
        flat.update(_flat(value, f'{key}.{name}' if key else name))
    return flat


def settings_of(config: Any) -> dict[str, Any]:
    """Return the settings that affect a run, by dotted key, as plain data.

    Settings that no run reads and :data:`FREE` ones are left out.
    """
    read = {key: config[key] for key in config if key in KEYS}
    return {key: value for key, value in _flat(read).items() if not FREE.fullmatch(key)}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ, with both values; ``'(none)'``: missing."""
    pairs = {key: (before.get(key, '(none)'), now.get(key, '(none)')) for key in {**before, **now}}
    return {k: (a, b) for k, (a, b) in pairs.items() if a != b and json.dumps(a) != json.dumps(b)}


def _words(key: str, before: Any, now: Any) -> str:
    return f'{key} was {before!r:.60}, is {now!r:.60}'


def check_settings(runner: Any, checkpoint: dict[str, Any], other: bool) -> None:
    """Compare the settings of a run with those of the checkpoint that it resumes.

    Args:
        runner: The run.
        checkpoint: The loaded checkpoint; the ends of its schedules are adapted to another number
            of epochs.
        other: Whether to allow, and log, other settings.

    Raises:
        CheckpointError: If settings that affect the run differ; the message names each difference.
    """
    text = checkpoint.get('meta', {}).get('settings')
    if text is None:
        runner.logger.warning('the checkpoint has no settings; they are not compared')
        return
    found = differences(json.loads(text), settings_of(runner.cfg))
    words = [_words(key, *pair) for key, pair in found.items()]
    changed = any(key not in LENGTH for key in found)
    for line in words:
        runner.logger.warning(f'resumed with another setting: {line}')
    if changed and not other:
        raise CheckpointError(
            f'--resume with other settings would be another run: {"; ".join(words)}. Resume with '
            f'the old ones, use another --work-dir, or allow the change with {ALLOW}'
        )
    if any(key in found for key in LENGTH):
        reasons = _follow_length(runner, checkpoint)
        if reasons and not other:
            raise CheckpointError(
                f'--resume with another length ({"; ".join(words)}) would be another run: '
                f'{"; ".join(reasons)}. Start again in another --work-dir, or allow the change '
                f'with {ALLOW}'
            )


def _follow_length(runner: Any, checkpoint: dict[str, Any]) -> list[str]:
    """Adapt the ends of schedules to the new length; return the reasons why some cannot follow."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    reasons = []
    done, loop = checkpoint['meta'], runner.train_loop
    if done['epoch'] > loop.max_epochs or done['iter'] > loop.max_iters:
        reasons.append(f'it has {done["epoch"]} epochs ({done["iter"]} iterations) already')
    if getattr(model, 'epochs', None) is not None:
        reasons.append(f'the schedule of {type(model).__name__} follows the number of epochs')
    names = [type(hook).__name__ for hook in runner.hooks]
    reasons += [f'{name} follows the number of epochs' for name in FOLLOWERS if name in names]
    own, saved = runner.param_schedulers or [], checkpoint.get('param_schedulers') or []
    parts = own.items() if isinstance(own, dict) else [('', own)]
    for part, schedules in parts:
        states = saved[part] if isinstance(saved, dict) else saved
        for number, (schedule, state) in enumerate(zip(schedules, states, strict=True)):
            key = '.'.join(word for word in ('param_scheduler', part, str(number)) if word)
            for name, now in schedule.state_dict().items():
                if name not in PROGRESS and state.get(name) != now:
                    reasons.append(f'{_words(f"{key}.{name}", state.get(name), now)}')
            state['end'] = schedule.end
    return reasons


def continue_schedules(runner: Any) -> None:
    """Take the step that a schedule omitted because the run was to end there.

    A schedule takes no step at its end, which a longer run would reach later.
    """
    own = runner.param_schedulers or []
    for schedules in own.values() if isinstance(own, dict) else [own]:
        for schedule in schedules:
            steps = schedule._global_step - schedule.begin
            if steps >= 0 and schedule.last_step < steps and schedule._global_step < schedule.end:
                schedule._global_step -= 1
                schedule.step()
