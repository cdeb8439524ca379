"""Crash-safe files, and JSON with a checksum (standard library only)."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

KEY = 'sha256'
"""Key in a JSON file: SHA-256 of all other entries."""


class DamagedFileError(ValueError):
    """A file that cannot be read, or differs from what was written."""


def checksum(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON data; its layout in the file does not matter."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def check(data: dict[str, Any]) -> dict[str, Any]:
    """Return JSON data without its checksum, if it has one.

    Raises:
        DamagedFileError: If the checksum does not match.
    """
    inner = {key: value for key, value in data.items() if key != KEY}
    last = next(reversed(data), '')  # the damaged bit may be in the name of the checksum
    others = {key: value for key, value in data.items() if key != last}
    renamed = KEY not in data and last and data[last] == checksum(others)
    if renamed or (KEY in data and data[KEY] != checksum(inner)):
        raise DamagedFileError(
            f'damaged: its {KEY} does not match (if you edited it on purpose, remove that line)'
        )
    return inner


def write_json(path: str | os.PathLike, data: Mapping[str, Any], allow_nan: bool = False) -> None:
    """Write an object as JSON with its checksum, atomically.

    Raises:
        ValueError: If a number is not finite, unless ``allow_nan``.
    """
    text = json.dumps({**data, KEY: checksum(data)}, indent=1, allow_nan=allow_nan)
    write_atomic(path, text.encode())


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read what :func:`write_json` wrote; a file without a checksum is not checked.

    Raises:
        DamagedFileError: If the file is missing, not a JSON object, or its checksum does not match.
    """
    try:
        data = json.loads(Path(path).read_bytes())
        if not isinstance(data, dict):
            raise DamagedFileError(f'expected a JSON object, got {type(data).__name__}')
        return check(data)
    except DamagedFileError as error:
        raise DamagedFileError(f'{path}: {error}') from None
    except FileNotFoundError:
        raise DamagedFileError(f'{path}: no such file') from None
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f'{path}: damaged, no valid JSON: {error}') from None


def write_atomic(path: str | os.PathLike, content: bytes) -> None:
    """Write ``content`` to ``path``: a temporary name, synced, then renamed.

    A reader sees the complete old or new file, even after a kill or a power cut.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process with this id, or a link
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
    """Sync a finished file in the same folder and rename it to ``path``."""
    with open(temporary, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_plain_file(status: os.stat_result) -> bool:
    """Whether a file (``lstat``) is a regular file with one name, not a link."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def open_plain(path: Path, append: bool = False) -> BinaryIO:
    """Open a file for writing, but never through a link.

    Raises:
        OSError: If ``path`` is a link, or its file has another name.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else 0)
    number = os.open(path, flags, 0o666)
    if not is_plain_file(os.fstat(number)):
        os.close(number)
        raise OSError(f'{path}: expected a plain file without links')
    if not append:
        os.ftruncate(number, 0)
    return os.fdopen(number, 'ab' if append else 'wb')
