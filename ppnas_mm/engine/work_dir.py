"""The work dir of a run: used by one run at a time, which resumes or moves earlier results."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from .launchers import LAUNCHERS

RESULTS = (
    '*.pth',
    'last_checkpoint',
    'genotype.json',
    'genotype.svg',
    'search.json',
    'search.svg',
    'importance*.svg',
    'stages*.svg',
    'growth*.svg',
    'derived.safetensors',
    'result.json',
    'retrain',
    'seeds.json',
    'seeds.md',
    'seeds.svg',
    'report.html',
)
"""What runs write; other files, such as a user's ``search.sh``, stay where they are."""
NETWORK = 'config.py'
"""What a search writes, too; users give their own configs this name."""
SEARCH = 'search_config.py'
"""The copy of a search's own config, if its name is :data:`NETWORK`."""
SEARCHES = ('search.json', 'seeds.json', 'derived.safetensors', 'report.html')
"""Beside one of these a ``config.py`` is of a search."""

LOCK = '.run.lock'
"""Locked by the run in a work dir; contains its process number and host."""
PATIENCE = 2.0
"""Seconds to wait for a run that is about to end."""
_held: dict[Path, int] = {}


class BusyError(RuntimeError):
    """Another run uses the work dir."""


def lock(folder: Path) -> None:
    """Lock a work dir until :func:`release` or until this process ends.

    This is a POSIX record lock: forked workers do not inherit it, and it is released when the
    process ends for any reason.  On NFS it works across machines if the server supports locks
    (NFSv4 does).

    Raises:
        BusyError: If another run has the lock; the message names its process.
    """
    folder = folder.resolve()
    if folder in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if time.monotonic() < end and isinstance(error, (BlockingIOError, PermissionError)):
                time.sleep(0.05)
                continue
            holder = os.read(file, 200).decode(errors='replace').strip() or str(error)
            os.close(file)
            raise BusyError(
                f'another run uses the work dir {folder}: {holder}; wait for it, end it, or use '
                'another --work-dir'
            ) from None
    os.ftruncate(file, 0)
    os.write(file, f'process {os.getpid()} on {socket.gethostname()}\n'.encode())
    _held[folder] = file
    remove_leftovers(folder)


def release() -> None:
    """Release all work dirs of this process."""
    while _held:
        os.close(_held.popitem()[1])


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a work dir inside a ``with`` block."""
    before = set(_held)
    lock(folder)
    try:
        yield
    finally:
        for path in set(_held) - before:
            os.close(_held.pop(path))


def _lives(pid: int) -> bool:
    """Whether another process has this number; this process has no temporary files yet."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid != os.getpid()


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of ``write_atomic`` from killed processes."""
    for path in folder.glob('.*.tmp'):
        name = re.fullmatch(r'\..+\.(\d+)\.tmp', path.name)
        if name and not _lives(int(name.group(1))):
            path.unlink(missing_ok=True)


def is_first(config: Any) -> bool:
    """Whether this is the first process of a run, or its only one."""
    rank, *_ = LAUNCHERS.get(config.get('launcher'), LAUNCHERS['pytorch'])
    return int(os.environ.get(rank, 0)) == 0


def start_run(config: Any, resume: bool) -> None:
    """Lock the work dir, then resume it or move the results of an earlier run.

    A config may set ``resume=True`` itself, with or without ``load_from``.

    Raises:
        BusyError: If another run uses the work dir.
        CheckpointError: If no checkpoint of a run to resume is usable.
        ConfigError: If the config reads a file that would be moved.
    """
    if is_first(config):
        lock(Path(config.work_dir))
    if config.get('resume') and config.get('load_from'):
        return  # mmengine continues from that file
    if resume or config.get('resume'):
        resume_run(config)
        return
    folder = Path(config.work_dir)
    _keep_what_is_read(config, folder)
    if is_first(config):
        put_aside(folder)


def _texts(node: Any) -> set[str]:
    if isinstance(node, str):
        return {node}
    inner = node.values() if hasattr(node, 'values') else node
    return set().union(*map(_texts, inner)) if isinstance(node, (dict, list, tuple)) else set()


def _results(folder: Path) -> list[Path]:
    """Return the files of earlier runs in a work dir."""
    found = [path for pattern in RESULTS for path in folder.glob(pattern)]
    searched = any((folder / name).is_file() for name in SEARCHES)
    return found + [folder / NETWORK] * (searched and (folder / NETWORK).is_file())


def copy_name(config: Any) -> str:
    """Return the name of the copy of a search's config in its work dir."""
    name = Path(config.filename or '').name
    return SEARCH if name == NETWORK else name


def require_place(folder: Path) -> None:
    """Check that a search can write its ``config.py`` without loss.

    Raises:
        ConfigError: If there is a file of that name, and not of a search.
    """
    if (folder / NETWORK).is_file() and folder / NETWORK not in _results(folder):
        raise ConfigError(
            f'{folder / NETWORK} is in the way: a search writes the config of its network there; '
            'rename it, or use another --work-dir'
        )


def _keep_what_is_read(config: Any, folder: Path) -> None:
    """Refuse to move files that the run reads, such as its initial weights."""
    left = {path.resolve() for path in _results(folder)}
    for text in sorted(_texts(dict(config))) if left else ():
        if '\n' in text or len(text) > 4096:
            continue
        path = Path(text).resolve()
        if path in left or any(parent in left for parent in path.parents):
            raise ConfigError(
                f'{text} is in the work dir {folder}, which this run would clear; '
                'use another --work-dir, or --resume to continue'
            )


def put_aside(folder: Path) -> None:
    """Move the results of an earlier run in a work dir to a folder ``earlier_N`` inside it."""
    left = _results(folder)
    if left:
        taken = [re.fullmatch(r'earlier_(\d+)', path.name) for path in folder.glob('earlier_*')]
        number = 1 + max((int(name.group(1)) for name in taken if name), default=0)
        earlier = folder / f'earlier_{number}'
        earlier.mkdir()
        for path in left:
            path.rename(earlier / path.name)
        print(f'{folder} contains an earlier run; its results are now in {earlier}')


def resume_run(config: Any) -> None:
    """Resume the run from the newest readable checkpoint in its work dir.

    Raises:
        CheckpointError: If there are checkpoints, but none is readable or has a known name.
    """
    from .checkpoint import checkpoint_place, latest_checkpoint

    folder, names = checkpoint_place(config)
    if is_first(config) and folder.is_dir():
        remove_leftovers(folder)
    path = latest_checkpoint(folder, lambda text: print(f'warning: {text}'), names)
    config.resume = path is not None
    if path is None:
        print(f'warning: {folder} has no checkpoint yet; starting from the beginning')
        return
    config.load_from = str(path)
