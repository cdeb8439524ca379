"""Checkpoints that survive a killed process and contain only plain data."""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, get_world_size
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.utils import is_method_overridden

from ..config.keys import ConfigError
from ..utils.files import write_atomic
from ..utils.registries import HOOKS
from ..weights.checkpoint import (
    CheckpointError,
    check_same_model,
    describe,
    load_checkpoint,
    signature,
)
from .settings import check_settings, continue_schedules, settings_of
from .warm_start import starts_from_super_net

TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')
"""mmengine's names for checkpoints."""
STEPS = r'(best|last|latest)|.*\d$'


@register_backend('ppnas_atomic')
class AtomicBackend(LocalBackend):
    """Local files, written to a temporary name, synced, then renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` atomically."""
        write_atomic(filepath, obj)


def checkpoint_place(config: Any) -> tuple[Path, list[str]]:
    """Return the folder of a run's checkpoints, and their possible names, most likely first.

    Args:
        config: A config with ``work_dir``; its ``default_hooks.checkpoint`` may have an
            ``out_dir`` and a ``filename_tmpl``, and may count iterations.
    """
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    folder = Path(config.work_dir)
    if hook.get('out_dir') and hook['out_dir'] != config.work_dir:
        folder = Path(hook['out_dir']) / folder.name
    names = TEMPLATES if hook.get('by_epoch', True) else TEMPLATES[::-1]
    own = hook.get('filename_tmpl')
    return folder, [own, *names] if own else list(names)


def latest_checkpoint(
    folder: str | Path, warn: Any = print, names: Sequence[str] = TEMPLATES
) -> Path | None:
    """Return the newest readable checkpoint; call ``warn`` for each damaged one.

    Args:
        folder: Folder of the checkpoints.
        warn: Called with a message for each damaged checkpoint.
        names: Possible names, with ``{}`` for the number; the first name with a match is used.

    Raises:
        CheckpointError: If there are checkpoints but none is readable, or all have other names.
    """
    found: dict[int, Path] = {}
    for name in names:
        head, _, tail = name.partition('{}')
        for path in Path(folder).glob('*.pth') if not found else ():
            match = re.fullmatch(rf'{re.escape(head)}(\d+){re.escape(tail)}', path.name)
            if match:
                found.setdefault(int(match.group(1)), path)
        if found:
            break
    reason = ''
    for number in sorted(found, reverse=True):
        try:
            load_checkpoint(found[number])
        except CheckpointError as error:
            reason = reason or str(error)
            warn(f'{error}; falling back to the previous one')
        else:
            return found[number]
    if found:
        raise CheckpointError(f'none of its {len(found)} checkpoints can be read: {reason}')
    others = sorted(p.name for p in Path(folder).glob('*.pth') if re.match(STEPS, p.stem))
    if others:
        raise CheckpointError(
            f'{folder} has {", ".join(others[:3])}, but no {" or ".join(names)}; to continue '
            'from one of these, set resume=True and load_from=FILE in the config; '
            'to start again, use another --work-dir'
        )
    return None


def load_as_saved(runner: Any) -> None:
    """Give the model the weights that a checkpoint would contain now.

    Hooks such as ``EMAHook`` save other weights than the trained ones.  Call this after training,
    because it overwrites the trained weights.
    """
    model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
    hooks = [hook for hook in runner.hooks if not isinstance(hook, SafeCheckpointHook)]
    if not any(is_method_overridden('before_save_checkpoint', Hook, hook) for hook in hooks):
        return
    with TemporaryDirectory(dir=runner.work_dir) as folder:
        # saved by mmengine, so that the hooks see a complete checkpoint
        runner.save_checkpoint(folder, 'last.pth', by_epoch=False)
        path = Path(folder) / 'last.pth'
        state = load_checkpoint(path)['state_dict'] if path.is_file() else None
    states = [state]
    broadcast_object_list(states)
    model.load_state_dict({**model.state_dict(), **(states[0] or {})})


def _plain(value: Any) -> Any:
    """Return a value as plain data that needs no unpickling, or ``None``."""
    if isinstance(value, (np.generic, np.ndarray, torch.Tensor)):
        return value.tolist()
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None


def _shares_a_head(checkpoint: dict[str, Any], model: Any) -> bool:
    """Whether a file has parts of a model besides its backbone; a bare backbone counts."""
    inner = model.module if is_model_wrapper(model) else model
    parts, own = (
        {key.split('.')[0] for key in state} - {'backbone', 'data_preprocessor'}
        for state in (checkpoint['state_dict'], inner.state_dict())
    )
    return not parts or not own or bool(parts & own)


def _check_kind(checkpoint: dict[str, Any], runner: Any) -> None:
    """Raise an error with advice if ``load_from`` has the weights of another kind of model."""
    saved = signature(checkpoint)
    kind, own = saved.get('model'), describe(runner.model)['model']
    if kind is None and not _shares_a_head(checkpoint, runner.model):
        kind = 'another kind of model'
    if kind in (None, own):
        return
    text = f'load_from: {runner._load_from} has the weights of {kind}, but this is {own}; '
    if 'space' in saved:
        text += 'derive its network (tools/derive.py) and start from it with --init-from'
    else:
        text += (
            'to start from its backbone, set model.backbone.init_cfg='
            f"dict(type='Pretrained', checkpoint={str(runner._load_from)!r}, prefix='backbone') "
            'instead of load_from'
        )
    raise CheckpointError(text)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook, but atomic, signed and readable with ``weights_only=True``.

    The log history is omitted (it is in the logs).  The last two checkpoints are kept as a fallback
    for a damaged one.

    Args:
        *args: See mmengine's ``CheckpointHook``.
        max_keep_ckpts: Number of checkpoints to keep.
        other_processes: Whether a run may be resumed with another number of processes, which
            changes its batches, steps and schedules.
        other_settings: Whether a run may be resumed with other settings; each change is logged.
        **kwargs: See mmengine's ``CheckpointHook``.
    """

    def __init__(
        self,
        *args: Any,
        max_keep_ckpts: int = 2,
        other_processes: bool = False,
        other_settings: bool = False,
        **kwargs: Any,
    ) -> None:
        if type(max_keep_ckpts) is not int or max_keep_ckpts < -1 or not max_keep_ckpts:
            raise ConfigError(
                f'max_keep_ckpts={max_keep_ckpts!r}: expected 1 or more, or -1 to keep all'
            )
        super().__init__(
            *args,
            max_keep_ckpts=max_keep_ckpts,
            backend_args=dict(backend='ppnas_atomic'),
            **kwargs,
        )
        self.other_processes = other_processes
        self.other_settings = other_settings

    def before_train(self, runner: Any) -> None:
        """Continue the schedules of a run that is now longer."""
        super().before_train(runner)
        if runner._resume:
            continue_schedules(runner)

    def is_last_train_epoch(self, runner: Any) -> bool:
        """Whether training ends with this epoch; also true when a search stops early."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return super().is_last_train_epoch(runner) or getattr(model, 'finished', False)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Keep only plain data and sign the checkpoint."""
        info = checkpoint['message_hub']['runtime_info']
        plain = {k: _plain(v) for k, v in info.items() if _plain(v) is not None}
        checkpoint['message_hub'] = dict(log_scalars={}, runtime_info=plain, resumed_keys={})
        checkpoint['meta']['ppnas_mm'] = describe(runner.model)
        checkpoint['meta']['processes'] = get_world_size()
        checkpoint['meta']['settings'] = json.dumps(settings_of(runner.cfg))

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Reject checkpoints from which the run cannot continue, before anything is loaded.

        A search may start from the super-net of another algorithm.

        Raises:
            CheckpointError: If the checkpoint is from another space, or a run is resumed with
                another number of processes or other settings.
        """
        if not runner._resume:
            if starts_from_super_net(checkpoint, runner):
                return
            _check_kind(checkpoint, runner)
        check_same_model(signature(checkpoint), runner.model, 'the checkpoint')
        now = get_world_size()
        before = checkpoint.get('meta', {}).get('processes', now)
        if runner._resume and before != now and not self.other_processes:
            raise CheckpointError(
                f'the run had {before} processes, --resume has {now}: steps and batches would '
                f'change; resume with {before}, or allow the change with '
                '--cfg-options default_hooks.checkpoint.other_processes=True'
            )
        if runner._resume:
            check_settings(runner, checkpoint, self.other_settings)
