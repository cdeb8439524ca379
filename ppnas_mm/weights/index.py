"""The index of the model zoo: which weights exist, where they are and their checksums.

``model_zoo/index.json`` and ``published.json`` are read as untrusted data: every key is checked,
and no name in them can lead out of their folder.  Only the standard library is needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..genotype import Genotype, GenotypeError, published
from ..utils.files import write_atomic
from .entry import KEYS, NAME, SCHEMA, Entry, Made, ZooError, parse_entry, read_entries
from .published import Published, load_published

__all__ = ['KEYS', 'NAME', 'Entry', 'Made', 'Published', 'ZooError', 'parse_entry']


def index_path() -> Path:
    """Return the path of the index: in the installed package, else in the repository."""
    package = Path(__file__).parents[1]
    installed = package / '.mim' / 'model_zoo' / 'index.json'
    return installed if installed.is_file() else package.parent / 'model_zoo' / 'index.json'


def load_made(path: Path | None = None) -> dict[str, Made]:
    """Read an index (default: the one of this package): what this project trained and tested.

    Raises:
        ZooError: If it cannot be read or is wrong; the message names entry and key.
    """
    return read_entries(path or index_path(), parse_entry)


def load_index(path: Path | None = None) -> dict[str, Entry]:
    """Read an index and the list of published weights beside it, if there is one.

    Raises:
        ZooError: If one cannot be read or is wrong; the message names entry and key.
    """
    path = path or index_path()
    return {**load_published(path.parent), **load_made(path)}


def resolve(index: Path, relative: str) -> Path:
    """Return a file named in an index; links must not lead out of the folder either.

    Raises:
        ZooError: If it is outside the folder.
    """
    folder = index.parent.resolve()
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder):
        raise ZooError(f'index {index}: {relative} leads out of {folder}')
    return path


def load_genotype(entry: Entry, index: Path | None = None) -> Genotype:
    """Return the architecture of an entry.

    Raises:
        ZooError: If it has none, it cannot be read, or is not the one of the entry.
    """
    index = index or index_path()
    if entry.genotype is None:
        raise ZooError(f'{entry.name}: genotype: a baseline has none')
    known = entry.genotype in published()
    try:
        genotype = Genotype.load(entry.genotype if known else resolve(index, entry.genotype))
    except GenotypeError as error:
        raise ZooError(f'{entry.name}: genotype: {error}') from None
    if genotype.hash != entry.genotype_hash:
        raise ZooError(
            f'{entry.name}: genotype: expected the architecture with hash {entry.genotype_hash}, '
            f'got {genotype.hash}'
        )
    return genotype


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def defect(path: Path, size: int | None, sha256: str) -> str:
    """Return what is wrong with a weight file; empty if nothing is.

    Args:
        path: The file.
        size: Its size in bytes, if known.
        sha256: Its SHA-256, or the first digits of it, if no more is known.
    """
    if not path.is_file():
        return 'no such file'
    found = path.stat().st_size
    if size is not None and found != size:
        return f'{found} bytes instead of {size}'
    digest = file_hash(path)
    return '' if digest.startswith(sha256) else f'SHA-256 is {digest}, not {sha256}'


def check_entry(entry: Entry, index: Path) -> None:
    """Check an entry against its config, its genotype and the files beside the index.

    Raises:
        ZooError: If one of them is missing or differs from the entry.
    """
    if not (index.parent.parent / entry.config).is_file():
        raise ZooError(f'{entry.name}: config: no file {index.parent.parent / entry.config}')
    if entry.genotype is not None:
        load_genotype(entry, index)
    if not isinstance(entry, Made):
        return
    for url in entry.urls:
        if not urlsplit(url).scheme:
            wrong = defect(resolve(index, url), entry.size, entry.sha256)
            if wrong:
                raise ZooError(f'{entry.name}: {url}: {wrong}')


def add_entry(path: Path, entry: Mapping[str, Any], replace: bool = False) -> Made:
    """Check an entry, add it to an index (created if missing), and write the index atomically.

    Args:
        path: ``model_zoo/index.json``.
        entry: A dict with all keys of :class:`Entry`.
        replace: Whether an entry of the same name may be replaced.

    Raises:
        ZooError: If the entry is wrong, or its name is taken.
    """
    path = Path(path)
    entries = load_made(path) if path.exists() else {}
    added = parse_entry(entry)
    if added.name in entries and not replace:
        raise ZooError(
            f'index {path}: {added.name} exists already; replace=True replaces the entry'
        )
    check_entry(added, path)
    entries[added.name] = added
    write_atomic(path, _to_json([entries[name] for name in sorted(entries)]).encode())
    return added


def _to_json(entries: Sequence[Made]) -> str:
    """One line for each key, so that changes are easy to review."""
    items = [
        ',\n'.join(f'      "{key}": {json.dumps(facts[key])}' for key in KEYS)
        for facts in map(asdict, entries)
    ]
    objects = ',\n'.join(f'    {{\n{item}\n    }}' for item in items)
    return f'{{\n  "schema": {SCHEMA},\n  "entries": [\n{objects}\n  ]\n}}\n'
