"""The folder of a run: what an earlier run left there is gone on from, or put out of the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .config_keys import ConfigError

RESULTS = (
    '*.pth',
    'last_checkpoint',
    'genotype.*',
    'search.*',
    'importance*.svg',
    'stages*.svg',
    'growth*.svg',
    'derived.safetensors',
    'result.json',
    'retrain',
    'seeds.*',
)


def start_run(config: Any, resume: bool) -> None:
    """Resume the work dir, or put what an earlier run left there out of the way.

    A config may ask for ``resume=True`` itself, with or without ``load_from``.

    Raises:
        CheckpointError: If the run is to be resumed, and none of its checkpoints can be.
        ConfigError: If the config reads a file that would be put out of the way.
    """
    if config.get('resume') and config.get('load_from'):
        return  # mmengine goes on from that file
    if resume or config.get('resume'):
        resume_run(config)
        return
    folder = Path(config.work_dir)
    _keep_what_is_read(config, folder)
    if int(os.environ.get('RANK', 0)) == 0:
        put_aside(folder)


def _texts(node: Any) -> set[str]:
    if isinstance(node, str):
        return {node}
    inner = node.values() if hasattr(node, 'values') else node
    return set().union(*map(_texts, inner)) if isinstance(node, (dict, list, tuple)) else set()


def _keep_what_is_read(config: Any, folder: Path) -> None:
    """Refuse to put aside what the run reads, such as the weights that it starts from."""
    left = {path.resolve() for pattern in RESULTS for path in folder.glob(pattern)}
    for text in sorted(_texts(dict(config))) if left else ():
        if '\n' in text or len(text) > 4096:
            continue
        path = Path(text).resolve()
        if path in left or any(parent in left for parent in path.parents):
            raise ConfigError(
                f'{text} is in the work dir {folder} that this run would clear; '
                'give another --work-dir, or --resume to go on'
            )


def put_aside(folder: Path) -> None:
    """Move what an earlier run left in a work dir to a folder ``earlier_N`` inside of it."""
    left = [p for pattern in RESULTS for p in folder.glob(pattern)]
    if left:
        number = 1 + len(list(folder.glob('earlier_*')))
        earlier = folder / f'earlier_{number}'
        earlier.mkdir()
        for path in left:
            path.rename(earlier / path.name)
        print(f'{folder} holds an earlier run; its results are now in {earlier}')


def resume_run(config: Any) -> None:
    """Let the run go on from the newest checkpoint of its work dir that can be read.

    Raises:
        CheckpointError: If there are checkpoints, but none that can be read or is known by name.
    """
    from .engine.checkpoint import checkpoint_place, latest_checkpoint

    folder, names = checkpoint_place(config)
    path = latest_checkpoint(folder, lambda text: print(f'warning: {text}'), names)
    config.resume = path is not None
    if path is None:
        print(f'warning: {folder} has no checkpoint yet; starting from the beginning')
        return
    config.load_from = str(path)
