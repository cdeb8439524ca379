"""Downloads files completely and with the right SHA-256, or not at all.

``requests`` provides connections, timeouts, redirects, proxies and, with urllib3's ``Retry``,
repeated requests.  This module adds the rest: continuing a broken transfer, the next source, the
checks, the rename and the lock.  pooch would add the hash and a progress bar, but lacks Range,
mirrors and a lock, and follows any redirect; torch.hub also lacks timeouts and retries;
huggingface_hub's ``http_get`` has Range and retries, but not the hash, the mirrors or the
redirects, and its package is large.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock, Timeout
from mmengine.logging import print_log
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from ..utils.files import install, is_plain_file, open_plain
from .index import ZooError, defect, file_hash
from .transfer_watch import Watch, WatchedAdapter

TIMEOUT = (10.0, 30.0)
"""Timeout in seconds for connecting and between two bytes."""
TOTAL = 600.0
"""Total seconds for one file; ``PPNAS_DOWNLOAD_SECONDS`` sets another total."""
LONGEST_PAUSE = 5.0
"""Seconds that a server may ask to wait (``Retry-After``); thrice is less than ``PATIENCE``."""
ATTEMPTS = 4
"""Requests without new bytes before the next source is tried."""
BACKOFF = 0.5
"""Seconds to wait after the first failure; doubled after each."""
CHUNK = 1 << 16
MOST = 1 << 31
"""Bytes of a file whose size only its server knows."""
PAGES = (b'<!doctype', b'<html')
BROKEN = (requests.ConnectionError, requests.Timeout, HTTPError)


class SourceError(RuntimeError):
    """A source does not have the file; the next one is tried."""


def is_whole(path: Path, size: int | None, sha256: str) -> bool:
    """Whether a file exists and is correct; every call reads its bytes."""
    return path.is_file() and not defect(path, size, sha256)


def total_seconds() -> float:
    """Return how long a file may take.

    Raises:
        ZooError: If ``PPNAS_DOWNLOAD_SECONDS`` is not a positive number.
    """
    given = os.environ.get('PPNAS_DOWNLOAD_SECONDS') or TOTAL
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ZooError(f'PPNAS_DOWNLOAD_SECONDS={given!r}: expected a number of seconds above 0')
    return seconds


class _Pauses(Retry):
    """Repeated requests that wait as long as a server asks, up to a limit."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds to wait.

        Raises:
            SourceError: If they are too many.
        """
        seconds = super().get_retry_after(response)
        if seconds is not None and seconds > LONGEST_PAUSE:
            raise SourceError(
                f'status {response.status}, to be asked again in {seconds:.0f} s; '
                f'at most {LONGEST_PAUSE:g} s are waited'
            )
        return seconds


def _session(url: str, watch: Watch) -> requests.Session:
    """A session that knows only the scheme of ``url``, so no redirect can leave it."""
    status = (429, 500, 502, 503, 504)  # _complete repeats broken transfers
    retry = _Pauses(
        connect=False, read=False, status=3, status_forcelist=status, backoff_factor=BACKOFF
    )
    session = requests.Session()
    session.adapters.clear()
    session.mount(f'{urlsplit(url).scheme}://', WatchedAdapter(watch, max_retries=retry))
    session.max_redirects = 5
    return session


def _have(part: Path) -> int:
    """Return the size of a partial download; remove it if it is not a regular file."""
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    if not is_plain_file(status):
        part.unlink()
        return 0
    return status.st_size


def _check_response(response: requests.Response, start: int, size: int) -> None:
    """Refuse a response that cannot be the rest of the file."""
    if response.status_code not in (200, 206):
        raise SourceError(f'status {response.status_code} {response.reason}')
    kind = response.headers.get('Content-Type', '')
    if kind.startswith(('text/html', 'application/xhtml')):
        raise SourceError(f'a page ({kind}) instead of the file')
    given = response.headers.get('Content-Range', '')
    if response.status_code == 206 and given != f'bytes {start}-{size - 1}/{size}':
        raise SourceError(f'Content-Range {given!r} instead of bytes {start}-{size - 1}/{size}')
    length = response.headers.get('Content-Length', '')
    if length.isdigit() and int(length) != size - start:
        raise SourceError(f'{int(length) + start} bytes instead of {size}')


def _transfer(session: requests.Session, url: str, part: Path, size: int, watch: Watch) -> None:
    """Append the missing bytes to ``part``; a server without ranges starts at the beginning."""
    start = _have(part)
    headers = {'Accept-Encoding': 'identity', **({'Range': f'bytes={start}-'} if start else {})}
    watch.start()
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start = start if response.status_code == 206 else 0
        _check_response(response, start, size)
        columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with (
            open_plain(part, append=start > 0) as file,
            Progress(
                *Progress.get_default_columns()[:2],
                *columns,
                console=console,
                disable=not console.is_terminal,
            ) as progress,
        ):
            task = progress.add_task(Path(urlsplit(url).path).name, total=size, completed=start)
            # read1 returns available bytes, so a broken transfer loses none
            while chunk := response.raw.read1(CHUNK):
                if file.tell() + len(chunk) > size:
                    raise SourceError(f'more than {size} bytes')
                if not file.tell() and chunk.lstrip().lower().startswith(PAGES):
                    raise SourceError('a page instead of the file')
                file.write(chunk)
                watch.came(len(chunk))
                progress.advance(task, len(chunk))
    if _have(part) < size:
        raise requests.ConnectionError(f'closed after {_have(part)} of {size} bytes')


def _complete(url: str, part: Path, size: int, watch: Watch) -> None:
    """Request a URL until ``part`` has all bytes, as long as new bytes arrive."""
    best, failures = _have(part), 0
    with _session(url, watch) as session:
        while _have(part) != size:
            try:
                _transfer(session, url, part, size, watch)
            except (requests.RequestException, HTTPError) as error:
                if watch.cut:
                    raise SourceError(f'{watch.cut}; {_have(part)} of {size} bytes came') from None
                if not isinstance(error, BROKEN) or isinstance(error, requests.exceptions.SSLError):
                    raise SourceError(_reason(error)) from None
                failures = failures + 1 if _have(part) <= best else 0
                best = max(best, _have(part))
                if failures == ATTEMPTS:
                    raise SourceError(f'{best} of {size} bytes, then: {error}') from None
                watch.pause(BACKOFF * 2**failures)
            finally:
                watch.stop()


def _reason(error: Exception) -> str:
    refused = isinstance(error, requests.exceptions.InvalidSchema)
    return f'redirect to another scheme refused: {error}' if refused else str(error)


def _length(url: str, watch: Watch) -> int:
    """Ask a server for the size of a file in bytes."""
    try:
        with _session(url, watch) as session:
            watch.start()
            headers = {'Accept-Encoding': 'identity'}
            with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                length = response.headers.get('Content-Length', '')
                _check_response(response, 0, int(length) if length.isdigit() else 0)
    except (requests.RequestException, HTTPError) as error:
        raise SourceError(watch.cut or _reason(error)) from None
    finally:
        watch.stop()
    if not length.isdigit() or int(length) > MOST:
        raise SourceError(f'Content-Length {length!r} instead of a number up to {MOST}')
    return int(length)


def _get(source: str | Path, part: Path, size: int | None, sha256: str, watch: Watch) -> None:
    """Download the file to ``part``, complete and correct, or remove it."""
    if size is None and not isinstance(source, Path):
        size = _length(source, watch)
    if size is not None and _have(part) > size:
        part.unlink()
    while True:
        resumed = _have(part) > 0
        if isinstance(source, Path):
            resumed = False
            if not source.is_file():
                raise SourceError('no such file')
            with open(source, 'rb') as given, open_plain(part) as file:
                shutil.copyfileobj(given, file)
        elif size is not None:
            _complete(source, part, size, watch)
        wrong = defect(part, size, sha256)
        if not wrong:
            return
        part.unlink()
        if not resumed:  # otherwise the first bytes, from an earlier try, may have been wrong
            raise SourceError(wrong)


def obtain(sources: Sequence[str | Path], target: Path, size: int | None, sha256: str) -> None:
    """Download a file, unless it exists and is correct.

    If several processes need it, one downloads and the others wait.  The final name only ever has
    the complete file; a partial download is kept beside it and continued.  Everything ends after
    :func:`total_seconds`.

    Args:
        sources: URLs (``http``, ``https``) and local files, tried in this order.
        target: The final name.
        size: Size in bytes; ``None``: what the source says.
        sha256: SHA-256, 64 hex digits or the first ones.

    Raises:
        ZooError: If no source has the file; the message gives the reason of each.
    """
    if is_whole(target, size, sha256):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    lock = target.with_name(f'.{target.name}.lock')
    _have(lock)  # and not a link, either
    seconds = total_seconds()
    try:
        with FileLock(lock, timeout=seconds):
            _replace(sources, target, part, size, sha256)
    except Timeout:
        raise ZooError(
            f'{target.name}: another process holds {lock} for {seconds:g} s (the limit; '
            'PPNAS_DOWNLOAD_SECONDS)'
        ) from None


def _replace(
    sources: Sequence[str | Path], target: Path, part: Path, size: int | None, sha256: str
) -> None:
    """Replace a missing or damaged file; the caller holds the lock."""
    if is_whole(target, size, sha256):
        return
    if target.exists():
        text = f'{target} is damaged ({defect(target, size, sha256)}); it is fetched again'
        print_log(text, 'current', 30)
        target.unlink()
    watch, reasons = Watch(total_seconds()), []
    for source in sources:
        try:
            _get(source, part, size, sha256, watch)
            install(part, target)
            return
        except SourceError as error:
            reasons.append(f'{source}: {error}')
    raise ZooError(f'{target.name}: no source has the file: ' + '; '.join(reasons))


def to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file of unknown size; replaces ``torch.hub.download_url_to_file``.

    That one has no timeouts and follows any redirect.

    Args:
        url: ``http`` or ``https``.
        dst: The final name.
        hash_prefix: Start of its SHA-256, if known.
        progress: Not used.

    Raises:
        SourceError: If the file is not complete within :func:`total_seconds`.
    """
    watch = Watch(total_seconds())
    part = Path(dst).with_name(f'.{Path(dst).name}.{os.getpid()}.part')
    part.unlink(missing_ok=True)
    try:
        with _session(url, watch) as session:
            watch.start()
            with session.get(url, stream=True, timeout=TIMEOUT) as response:
                length = response.headers.get('Content-Length', '')
                _check_response(response, 0, int(length) if length.isdigit() else 0)
                with open_plain(part) as file:
                    while chunk := response.raw.read1(CHUNK):
                        file.write(chunk)
                        watch.came(len(chunk))
        if watch.cut or (length.isdigit() and _have(part) != int(length)):
            raise SourceError(watch.cut or f'{_have(part)} bytes instead of {length}')
        if hash_prefix and not file_hash(part).startswith(hash_prefix):
            raise SourceError(f'SHA-256 is {file_hash(part)}, not {hash_prefix}...')
        install(part, Path(dst))
    except (requests.RequestException, HTTPError) as error:
        raise SourceError(watch.cut or _reason(error)) from None
    finally:
        watch.stop()
        part.unlink(missing_ok=True)
