"""Weight files: read as data only, written completely or not at all."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ..utils.checksums import seal
from ..utils.files import write_atomic
from ..weights.checkpoint import CheckpointError, describe, load_checkpoint
from .keras import TO_OURS, rename
from .tf_bundle import Bundle, is_bundle

ENTRIES = ('state_dict', 'model', 'model_main', 'net', 'network', 'params', 'weights')
"""Keys under which checkpoints keep their tensors, if not at the top."""

TRAINING = re.compile(r'OPTIMIZER_SLOT|^(optim\w*|save_counter|epoch)(\.|$)')
"""Entries of a Keras checkpoint that only training uses."""


@dataclass
class Weights:
    """The content of a file.

    Args:
        state: The tensors by name.
        meta: Metadata of the file.
        aside: Names of ignored entries (optimizers, counters, ...).
    """

    state: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)


def _read_npz(path: Path) -> Weights:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {rename(name, TO_OURS): file[name] for name in file.files}
            count = len(file.files)
    except FileNotFoundError:
        raise CheckpointError(f'weights {path}: no such file') from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f'weights {path}: refused or damaged: {reason}') from None
    return _of_keras(path, arrays, count)


def _read_bundle(path: Path) -> Weights:
    with Bundle(path) as bundle:
        # writable, as torch wants them
        arrays = {rename(name, TO_OURS): value.copy() for name, value in bundle.tensors()}
        return _of_keras(path, arrays, len(bundle.slots))


def _of_keras(path: Path, arrays: dict[str, np.ndarray], count: int) -> Weights:
    """Sort out what only training uses; ``count`` arrays had names."""
    if len(arrays) != count:
        raise CheckpointError(f'weights {path}: two arrays have the same name')
    aside = [k for k, v in arrays.items() if v.dtype.kind not in 'fiu' or TRAINING.search(k)]
    state = {k: torch.from_numpy(v) for k, v in arrays.items() if k not in aside}
    return Weights(state, {}, aside)


def _only_tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, Mapping):
        return {}
    return {str(k): v for k, v in value.items() if isinstance(v, Tensor)}


def read_weights(path: str | Path, entry: str | None = None) -> Weights:
    """Read the tensors of a ``.pth``, ``.pt``, ``.safetensors`` or (Keras) ``.npz`` file.

    A checkpoint of TensorFlow 2 is read, too: a zip, or ``NAME`` of ``NAME.index``.

    Args:
        path: The file.
        entry: Key of the checkpoint that has the tensors; ``None``: at the top, or the first of
            :data:`ENTRIES` that exists.

    Raises:
        CheckpointError: If the file is missing, damaged, holds anything but data, or no tensors.
    """
    path = Path(path)
    if path.suffix == '.npz':
        return _read_npz(path)
    if is_bundle(path):
        return _read_bundle(path)
    data = load_checkpoint(path)
    inner = data['state_dict'] if isinstance(data['state_dict'], Mapping) else {}
    options = {str(k): _only_tensors(v) for k, v in [*inner.items(), *data.items()]}
    if entry is None:
        entry = max(ENTRIES, key=lambda name: len(options.get(name, ())))
    state = options.get(entry)
    if not state:
        known = sorted(name for name, tensors in options.items() if tensors)
        raise CheckpointError(f'weights {path}: no tensors under {entry!r}; there are: {known}')
    aside = [str(k) for k in [*data, *inner] if k not in state]
    aside = [name for name in aside if name not in (entry, 'meta', 'state_dict')]
    meta = data.get('meta')
    return Weights(state, meta if isinstance(meta, dict) else {}, aside)


def write_weights(
    path: str | Path, state: Mapping[str, Tensor], kind: str, model: nn.Module
) -> None:
    """Write a file atomically.

    Args:
        path: The file.
        state: The tensors.
        kind: ``'safetensors'`` (the genotype, if the model has one, in the metadata), ``'pth'``
            (with the metadata of a checkpoint here), ``'plain'`` (nothing but the tensors) or
            ``'npz'``.
        model: The network that the tensors belong to.
    """
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in state.items()}
    genotype = getattr(getattr(model, 'backbone', model), 'genotype', None)
    buffer = io.BytesIO()
    if kind == 'safetensors':
        told = genotype and {'genotype': genotype.to_json()}
        buffer.write(seal(to_safetensors(tensors, told)))
    elif kind == 'npz':
        np.savez(buffer, **{k: v.numpy() for k, v in tensors.items()})  # type: ignore[arg-type]
    elif kind == 'pth':
        torch.save({'state_dict': tensors, 'meta': {'ppnas_mm': describe(model)}}, buffer)
    else:
        torch.save(tensors, buffer)
    write_atomic(path, buffer.getvalue())
