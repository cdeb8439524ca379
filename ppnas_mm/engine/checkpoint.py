"""Checkpoints that survive a kill, and that hold nothing but data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper

from ..fileio import write_atomic
from ..registry import HOOKS
from ..weights import CheckpointError, check_same_model, describe, load_checkpoint, signature


@register_backend('ppnas_atomic')
class AtomicBackend(LocalBackend):
    """Local files, written to a temporary name, synced, then renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` atomically."""
        write_atomic(filepath, obj)


def latest_checkpoint(work_dir: str | Path, warn: Any = print) -> Path | None:
    """Return the newest readable ``epoch_*.pth``; tell ``warn`` of each that is damaged.

    Raises:
        CheckpointError: If there are checkpoints but none can be read.
    """
    found = {}
    for path in Path(work_dir).glob('epoch_*.pth'):
        match = re.fullmatch(r'epoch_(\d+)', path.stem)
        if match:
            found[int(match.group(1))] = path
    reason = ''
    for epoch in sorted(found, reverse=True):
        try:
            load_checkpoint(found[epoch])
        except CheckpointError as error:
            reason = reason or str(error)
            warn(f'{error}; falling back to the one before')
        else:
            return found[epoch]
    if found:
        raise CheckpointError(f'none of its {len(found)} checkpoints can be read: {reason}')
    return None


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook, atomic, readable with ``weights_only=True``, with a signature.

    The log history is left out (it is in the logs); the last two checkpoints are kept, so that a
    damaged one has a predecessor.

    Args:
        *args: See mmengine's ``CheckpointHook``.
        max_keep_ckpts: How many checkpoints are kept.
        other_processes: Whether a run may be resumed by another number of processes than it had:
            its batches, steps and schedules are then others.
        **kwargs: See mmengine's ``CheckpointHook``.
    """

    def __init__(
        self,
        *args: Any,
        max_keep_ckpts: int = 2,
        other_processes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *args,
            max_keep_ckpts=max_keep_ckpts,
            backend_args=dict(backend='ppnas_atomic'),
            **kwargs,
        )
        self.other_processes = other_processes

    def is_last_train_epoch(self, runner: Any) -> bool:
        """Whether training ends with this epoch, be it that a search has found its end earlier."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return super().is_last_train_epoch(runner) or getattr(model, 'finished', False)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Keep plain data only and sign the checkpoint."""
        info = checkpoint['message_hub']['runtime_info']
        plain = {k: v for k, v in info.items() if type(v) in (int, float, str, bool, list)}
        checkpoint['message_hub'] = dict(log_scalars={}, runtime_info=plain, resumed_keys={})
        checkpoint['meta']['ppnas_mm'] = describe(runner.model)
        checkpoint['meta']['processes'] = get_world_size()

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse, before anything is loaded, what the run cannot go on from.

        Raises:
            CheckpointError: If the checkpoint is of another space, or a run is resumed by another
                number of processes.
        """
        check_same_model(signature(checkpoint), runner.model, 'the checkpoint')
        now = get_world_size()
        before = checkpoint.get('meta', {}).get('processes', now)
        if runner._resume and before != now and not self.other_processes:
            raise CheckpointError(
                f'the run had {before} processes, --resume has {now}: steps and batches would be '
                f'others; resume with {before}, or let it go on otherwise with '
                '--cfg-options default_hooks.checkpoint.other_processes=True'
            )
