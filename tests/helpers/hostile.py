"""Files that run code, or try to, in every format that the libraries read; and doors left open."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import registry
from mmengine.runner import checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

DOWNLOAD = torch.hub.download_url_to_file
SWITCHES = ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD')


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.command = f'touch {path}'

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def open_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a tool has closed, and do so again after the test."""
    for name in (*SWITCHES, 'PPNAS_TRUST_PICKLE'):
        monkeypatch.delenv(name, raising=False)
    for owner, name in (
        (pickle, 'load'),
        (pickle, 'loads'),
        (yaml, 'load'),
        (np, 'load'),
        (Config, 'fromstring'),
    ):
        own = getattr(owner, name)
        own = getattr(own, '__wrapped__', own)
        monkeypatch.setattr(owner, name, staticmethod(own) if owner is Config else own)
    from mmengine.utils import get_object_from_string

    monkeypatch.setattr(registry, 'get_object_from_string', get_object_from_string)
    monkeypatch.setattr(torch.hub, 'download_url_to_file', DOWNLOAD)
    schemes = {k: getattr(v, '__wrapped__', v) for k, v in CheckpointLoader._schemes.items()}
    schemes[''] = checkpoint.load_from_local
    monkeypatch.setattr(CheckpointLoader, '_schemes', schemes)


def _tag(path: Path, marker: Path) -> None:
    path.write_text(f"data: !!python/object/apply:os.system ['touch {marker}']\n")


def _pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb(marker)))


def _torch(path: Path, marker: Path) -> None:
    torch.save({'state_dict': Bomb(marker)}, path)


def _array(path: Path, marker: Path) -> None:
    np.save(path, np.array([Bomb(marker)], dtype=object), allow_pickle=True)


def _arrays(path: Path, marker: Path) -> None:
    np.savez(path, a=np.array([Bomb(marker)], dtype=object))


def _call(path: Path, marker: Path) -> None:
    path.write_text(f"__import__('os').system('touch {marker}')\n")


def _json(path: Path, marker: Path) -> None:
    path.write_text(f'{{"model": {{"type": "os.system", "command": "touch {marker}"}}}}')


def _entities(path: Path, marker: Path) -> None:
    lines = ''.join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    path.write_text(f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 100}">{lines}]><a>&e11;</a>')


KINDS: dict[str, Callable[[Path, Path], None]] = {
    '.pkl': _pickle,
    '.pickle': _pickle,
    '.p': _pickle,
    '.yaml': _tag,
    '.yml': _tag,
    '.json': _json,
    '.npy': _array,
    '.npz': _arrays,
    '.pth': _torch,
    '.pt': _torch,
    '.safetensors': _pickle,
    '.txt': _call,
    '.csv': _call,
    '.xml': _entities,
}
"""What writes a hostile file, for each format."""
