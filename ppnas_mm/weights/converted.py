"""The converted files of published weights: made once, remembered, checked at every use.

Beside ``NAME-DIGITS.safetensors`` lies ``NAME-DIGITS.json``: the whole SHA-256 of the zip that it
was made from, and its own.  The zip of a later download must have the same.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ..utils.files import DamagedFileError, read_json, write_atomic, write_json
from .entry import ZooError
from .published import Published, convert

KEYS = ('zip_sha256', 'file_sha256', 'size', 'genotype_hash')


def receipt(target: Path) -> Path:
    """Return the name of the file that remembers how a converted file was made."""
    return target.with_suffix('.json')


def remembered(target: Path) -> dict[str, Any]:
    """Return what is known of a converted file; empty before the first download.

    Raises:
        ZooError: If the file that says it is damaged.
    """
    path = receipt(target)
    if not path.exists():
        return {}
    try:
        found = read_json(path)
    except DamagedFileError as error:
        raise ZooError(f'{error}; delete it to begin anew') from None
    if any(key not in found for key in KEYS):
        raise ZooError(f'{path}: expected {", ".join(KEYS)}; delete it to begin anew')
    return found


def _whole(item: Published, target: Path, known: dict[str, Any]) -> bool:
    from .download import is_whole  # an import of the package needs no downloader

    same = bool(known) and known['genotype_hash'] == item.genotype_hash
    return same and is_whole(target, known['size'], known['file_sha256'])


def obtain_converted(
    item: Published, sources: Sequence[str | Path], target: Path, index: Path, keep: bool = False
) -> str:
    """Fetch and convert published weights, unless they are there and right; return the SHA-256.

    If several processes need them, one works and the others wait.

    Args:
        item: The entry.
        sources: Where to look for the authors' zip.
        target: The converted file.
        index: ``index.json``, in whose folder the list is.
        keep: Whether to leave the zip beside the converted file, for a mirror.

    Raises:
        ZooError: If no source has the zip, or it differs from that of the first download.
        CheckpointError: If it is damaged, or not of the network of the entry.
    """
    from filelock import FileLock, Timeout

    from .download import total_seconds

    known, archive = remembered(target), target.with_name(item.zip_name)
    if _whole(item, target, known) and (archive.is_file() or not keep):
        return known['file_sha256']
    target.parent.mkdir(parents=True, exist_ok=True)
    lock, seconds = target.with_name(f'.{target.name}.lock'), total_seconds()
    if lock.is_symlink():
        lock.unlink()
    try:
        with FileLock(lock, timeout=seconds):
            return _make(item, sources, target, archive, index, keep)
    except Timeout:
        raise ZooError(f'{target.name}: another process holds {lock} for {seconds:g} s') from None


def _make(
    item: Published,
    sources: Sequence[str | Path],
    target: Path,
    archive: Path,
    index: Path,
    keep: bool,
) -> str:
    """Fetch and convert; the caller holds the lock."""
    from .download import obtain

    known = remembered(target)
    whole = _whole(item, target, known)
    if whole and (archive.is_file() or not keep):  # another process was first
        return known['file_sha256']
    if known and target.is_file() and not whole:
        text = f'{target} is damaged or of another genotype; it is converted again'
        print_log(text, 'current', logging.WARNING)
    obtain(sources, archive, None, known['zip_sha256'] if known else item.digits)
    try:
        if whole:
            return known['file_sha256']
        return _write(item, target, archive, index)
    finally:
        if not keep:
            archive.unlink(missing_ok=True)


def _write(item: Published, target: Path, archive: Path, index: Path) -> str:
    """Convert a zip that was checked; the receipt comes last, so it is never without its file."""
    from .index import file_hash

    zip_sha256 = file_hash(archive)
    content = convert(item, archive, index)
    facts = {
        'zip_sha256': zip_sha256,
        'file_sha256': hashlib.sha256(content).hexdigest(),
        'size': len(content),
        'genotype_hash': item.genotype_hash,
        'from': item.url,
    }
    write_atomic(target, content)
    write_json(receipt(target), facts)
    return str(facts['file_sha256'])
