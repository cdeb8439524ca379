"""Weights of the model zoo by name, from the repository, a cache, a mirror or the internet.

Environment: ``PPNAS_CACHE`` sets the download cache (default ``~/.cache/ppnas_mm``),
``PPNAS_ZOO_MIRROR`` is the URL of a folder to try first, and ``PPNAS_OFFLINE=1`` forbids network
access.  ``ppnas://NAME`` works anywhere a checkpoint path is accepted.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .entry import Entry, Made, ZooError
from .index import index_path, load_index, resolve
from .published import Published

SCHEME = 'ppnas://'


def list(index: Path | None = None) -> tuple[str, ...]:
    """Return the names of all weights, sorted."""
    return tuple(sorted(load_index(index)))


def entry(name: str, index: Path | None = None) -> Entry:
    """Return the entry of a name, with or without ``ppnas://``.

    Raises:
        ZooError: If there is no such name; the message has the nearest one.
    """
    entries: Mapping[str, Entry] = load_index(index)
    name = name.removeprefix(SCHEME)
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=1)
        hint = (
            f'did you mean {close[0]!r}?' if close else f'there are: {", ".join(sorted(entries))}'
        )
        raise ZooError(f'no weights with the name {name!r:.100}; {hint}')
    return entries[name]


def cache_folder() -> Path:
    """Return the folder of downloaded files."""
    return Path(os.environ.get('PPNAS_CACHE') or '~/.cache/ppnas_mm').expanduser()


def _place(url: str, index: Path) -> str | Path:
    """Return a local file as a path and any other place as its URL."""
    parts = urlsplit(url)
    if not parts.scheme:
        return resolve(index, url)
    return Path(unquote(parts.path)) if parts.scheme == 'file' else url


def _mirror() -> str | None:
    mirror = os.environ.get('PPNAS_ZOO_MIRROR')
    if mirror and not mirror.startswith(('https://', 'http://', 'file:///')):
        raise ZooError(
            f'PPNAS_ZOO_MIRROR={mirror!r}: expected a URL: https://, http:// or file:///'
        )
    return mirror.rstrip('/') if mirror else None


def sources(item: Entry, index: Path) -> tuple[str | Path, ...]:
    """Return where to look for a file: the repository, the mirror, then the other places.

    Raises:
        ZooError: If ``PPNAS_ZOO_MIRROR`` is not a URL.
    """
    mirror = _mirror()
    if isinstance(item, Published):
        urls, inside, name = [item.url], 0, item.zip_name
    else:
        assert isinstance(item, Made)
        urls, name = sorted(item.urls, key=lambda url: bool(urlsplit(url).scheme)), item.file_name
        inside = sum(not urlsplit(url).scheme for url in urls)
    if mirror:
        urls.insert(inside, f'{mirror}/{name}')
    return tuple(_place(url, index) for url in urls)


def fetch(name: str, folder: Path | None = None, index: Path | None = None) -> Path:
    """Return a file with the weights, checked against the index; download it if needed.

    Weights that authors published are converted once; the file returned is the converted one.

    Args:
        name: ``arch.tag``, with or without ``ppnas://``.
        folder: Where to put the file; ``None`` uses a local file in place, or the cache.
        index: ``index.json``; ``None`` means the one of this package.

    Raises:
        ZooError: If there is no such name, or no source has the right file.
        CheckpointError: If published weights are not of the network of the entry.
    """
    return locate(name, folder, index)[0]


def locate(name: str, folder: Path | None = None, index: Path | None = None) -> tuple[Path, str]:
    """Return what :func:`fetch` does, and the SHA-256 that the file must have."""
    item, index = entry(name, index), index or index_path()
    if isinstance(item, Published):
        return _converted(item, folder, index)
    assert isinstance(item, Made)
    return _downloaded(item, folder, index), item.sha256


def _offline() -> bool:
    return os.environ.get('PPNAS_OFFLINE', '0') not in ('', '0')


def _refuse_offline(item: Entry, target: Path) -> None:
    raise ZooError(
        f'PPNAS_OFFLINE is set and {target} is missing: run "python tools/download.py '
        f'{item.name} --out DIR" on a machine with internet access and copy the files there'
    )


def _converted(item: Published, folder: Path | None, index: Path) -> tuple[Path, str]:
    from .converted import obtain_converted, receipt

    target, places = (folder or cache_folder()) / item.file_name, sources(item, index)
    if _offline():
        local = [place for place in places if isinstance(place, Path)]
        places = tuple(local)
        made = target.is_file() and receipt(target).is_file()
        if not (made or any(map(Path.is_file, local))):
            _refuse_offline(item, target)
    return target, obtain_converted(item, places, target, index, keep=folder is not None)


def _downloaded(item: Made, folder: Path | None, index: Path) -> Path:
    from .download import (
        is_whole,  # here: an import of the package needs no downloader
        obtain,
    )

    places = sources(item, index)
    local = [place for place in places if isinstance(place, Path)]
    if folder is None:
        for place in local:
            if is_whole(place, item.size, item.sha256):
                return place
    target = (folder or cache_folder()) / item.file_name
    if _offline():
        places = tuple(local)
        if not any(map(Path.is_file, [target, *local])):
            _refuse_offline(item, target)
    obtain(places, target, item.size, item.sha256)
    return target
