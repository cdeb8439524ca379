"""Crash-safe file writing (standard library only)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def write_atomic(path: str | os.PathLike, content: bytes) -> None:
    """Write ``content`` to ``path``: a temporary name, synced, then renamed.

    A reader sees the old file or the whole new one, also after a kill or a power cut.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.unlink(missing_ok=True)  # of a killed process with this number, or a link
        with open(temporary, 'xb') as file:
            file.write(content)
        install(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.filename is None:  # a full disk
            error.filename = str(path)
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def install(temporary: Path, path: Path) -> None:
    """Sync a finished file of the same folder and rename it to ``path``."""
    with open(temporary, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_plain_file(status: os.stat_result) -> bool:
    """Tell whether a file (``lstat``) is one, with no other name and no link to another."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def open_plain(path: Path, append: bool = False) -> BinaryIO:
    """Open a file to write, but no link to another one.

    Raises:
        OSError: If ``path`` is a link, or what it names has another name.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else 0)
    number = os.open(path, flags, 0o666)
    if not is_plain_file(os.fstat(number)):
        os.close(number)
        raise OSError(f'{path}: expected a plain file without links')
    if not append:
        os.ftruncate(number, 0)
    return os.fdopen(number, 'ab' if append else 'wb')
