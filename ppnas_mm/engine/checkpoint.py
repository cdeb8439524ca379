"""Checkpoints that survive a kill, and that hold nothing but data."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from torch import nn

from ..fileio import write_atomic
from ..genotype import Genotype
from ..registry import HOOKS


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or that belongs to another model."""


@register_backend('ppnas_atomic')
class AtomicBackend(LocalBackend):
    """Local files, written to a temporary name, synced, then renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` atomically."""
        write_atomic(filepath, obj)


def load_checkpoint(path: str | Path, map_location: str = 'cpu') -> dict[str, Any]:
    """Read a checkpoint (``.pth``, weights only) or weights (``.safetensors``).

    Returns:
        A dict with ``state_dict`` and, where the file has it, ``meta``.

    Raises:
        CheckpointError: If the file is missing, truncated or holds anything but data.
    """
    path = Path(path)
    try:
        if path.suffix == '.safetensors':
            from safetensors import safe_open

            with safe_open(path, 'pt', device=map_location) as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return {'state_dict': tensors, 'meta': file.metadata() or {}}
        data = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f'checkpoint {path}: no such file') from None
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f'checkpoint {path}: refused or damaged: {reason}') from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f'checkpoint {path}: cannot be read: {reason}') from None
    if not isinstance(data, dict):
        raise CheckpointError(f'checkpoint {path}: expected a dict, got {type(data).__name__}')
    return data if 'state_dict' in data else {'state_dict': data, 'meta': {}}


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
    for epoch in sorted(found, reverse=True):
        try:
            load_checkpoint(found[epoch])
        except CheckpointError as error:
            warn(f'{error}; falling back to the one before')
        else:
            return found[epoch]
    if found:
        raise CheckpointError(f'{work_dir}: none of its {len(found)} checkpoints can be read')
    return None


def describe(model: nn.Module) -> dict[str, Any]:
    """Return what a checkpoint must share with a model: its algorithm, space and choices."""
    inner: Any = model.module if is_model_wrapper(model) else model
    info: dict[str, Any] = {'model': type(inner).__name__}
    super_net = getattr(inner, 'super_net', None)
    if super_net is not None:
        info['space'] = super_net.space
        info['choices'] = {name: list(c.candidates) for name, c in super_net.choices.items()}
    genotype = getattr(getattr(inner, 'backbone', None), 'genotype', None)
    if genotype is not None:
        info['genotype'] = genotype.hash
    return info


def signature(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return what :func:`describe` said of the model that a checkpoint was saved from."""
    meta = checkpoint.get('meta', {})
    if isinstance(meta.get('genotype'), str):  # safetensors: all metadata is text
        return {'genotype': Genotype.from_json(meta['genotype']).hash}
    return meta.get('ppnas_mm', {})


def check_same_model(saved: dict[str, Any], model: nn.Module, where: str) -> None:
    """Raise :class:`CheckpointError` if a checkpoint is of another model, space or choices."""
    for key, value in describe(model).items():
        given = saved.get(key, value)
        if key == 'choices' and given != value:
            key = next(k for k in [*value, *given] if value.get(k) != given.get(k))
            given, value = given.get(key), value.get(key)
        if given != value:
            raise CheckpointError(f'{where} was made by another {key}: {given!r}, not {value!r}')


def load_weights(model: nn.Module, path: str | Path) -> int:
    """Load all of a model's tensors from a file; return how many.

    Raises:
        CheckpointError: If any tensor is missing, left over or of another shape.
    """
    data = load_checkpoint(path)
    check_same_model(signature(data), model, f'checkpoint {path}')
    own, given = model.state_dict(), data['state_dict']
    problems = [f'{key} is missing' for key in own if key not in given]
    problems += [f'{key} is not in the model' for key in given if key not in own]
    problems += [
        f'{key} is {tuple(given[key].shape)}, not {tuple(own[key].shape)}'
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    if problems:
        raise CheckpointError(
            f'checkpoint {path} does not fit the model ({len(problems)} of {len(own)} tensors): '
            + '; '.join(problems[:3])
            + (' ...' if len(problems) > 3 else '')
        )
    model.load_state_dict(given)
    return len(own)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook, atomic, readable with ``weights_only=True``, with a signature.

    The log history is left out (it is in the logs); the last two checkpoints are kept, so that a
    damaged one has a predecessor.
    """

    def __init__(self, *args: Any, max_keep_ckpts: int = 2, **kwargs: Any) -> None:
        super().__init__(
            *args,
            max_keep_ckpts=max_keep_ckpts,
            backend_args=dict(backend='ppnas_atomic'),
            **kwargs,
        )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Keep plain data only and sign the checkpoint."""
        info = checkpoint['message_hub']['runtime_info']
        plain = {k: v for k, v in info.items() if type(v) in (int, float, str, bool, list)}
        checkpoint['message_hub'] = dict(log_scalars={}, runtime_info=plain, resumed_keys={})
        checkpoint['meta']['ppnas_mm'] = describe(runner.model)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another space before anything is loaded."""
        check_same_model(signature(checkpoint), runner.model, 'the checkpoint')
