"""Downloads from a real local server that misbehaves: the whole right file, or none."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flaky import PAGE, FlakyServer, flaky
from killed import CONTEXT, digest, obtain_once
from killing import check_killed_checkpoints, check_killed_downloads

from ppnas_mm.weights import download
from ppnas_mm.weights.download import obtain
from ppnas_mm.weights.index import ZooError

CONTENT = np.random.default_rng(0).bytes(300_000)
SIZE, SHA256 = len(CONTENT), digest(CONTENT)
NAME = 'w.safetensors'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    """A server with one file, and a client without patience."""
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(download, 'BACKOFF', 0.001)
    monkeypatch.setattr(download, 'TIMEOUT', (2.0, 0.3))
    with flaky({NAME: CONTENT, 'mirror.safetensors': CONTENT}) as server:
        yield server


def get(server: FlakyServer, folder: Path, *names: str) -> Path:
    """Fetch the file from the named sources of the server."""
    obtain([server.url(name) for name in names or (NAME,)], folder / NAME, SIZE, SHA256)
    assert (folder / NAME).read_bytes() == CONTENT
    assert visible(folder) == [NAME]
    return folder / NAME


def visible(folder: Path) -> list[str]:
    """Names that a reader would take for a file of weights."""
    return [path.name for path in folder.iterdir() if not path.name.startswith('.')]


def refused(server: FlakyServer, folder: Path, reason: str) -> None:
    """Fetching fails with the reason and leaves nothing, and the next source helps."""
    faults = list(server.faults[NAME])
    with pytest.raises(ZooError, match=reason) as error:
        obtain([server.url(NAME)], folder / NAME, SIZE, SHA256)
    assert server.url(NAME) in str(error.value) and '\n' not in str(error.value)
    assert visible(folder) == []
    server.faults[NAME] = faults
    get(server, folder, NAME, 'mirror.safetensors')
    assert server.ranges('mirror.safetensors')


def test_one_request_and_no_second_transfer(server: FlakyServer, tmp_path: Path) -> None:
    get(server, tmp_path / 'new' / 'folder')
    get(server, tmp_path / 'new' / 'folder')
    assert server.log == [(f'/{NAME}', None)]


@pytest.mark.parametrize('cut', [0, 1, 65_535, 65_536, 65_537, 150_001, SIZE - 1])
@pytest.mark.parametrize('kind', ['cut', 'stall'])
def test_continues_at_the_byte(server: FlakyServer, tmp_path: Path, kind: str, cut: int) -> None:
    server.faults[NAME] = [{kind: cut}]
    get(server, tmp_path)
    assert server.ranges(NAME) == [None, f'bytes={cut}-' if cut else None]


def test_many_cuts_and_then_the_next_source(server: FlakyServer, tmp_path: Path) -> None:
    """A source that always brings something is asked again; one that brings nothing is left."""
    server.faults[NAME] = [dict(cut=20_000)] * 10 + [dict(cut=0)] * 4
    get(server, tmp_path, NAME, 'mirror.safetensors')
    starts = [f'bytes={20_000 * i}-' for i in range(1, 11)]
    assert server.ranges(NAME) == [None, *starts, *starts[-1:] * 3]
    assert server.ranges('mirror.safetensors') == starts[-1:]


def test_another_run_continues(server: FlakyServer, tmp_path: Path) -> None:
    server.faults[NAME] = [dict(cut=1000), *[dict(cut=0)] * 4]
    with pytest.raises(ZooError, match=f'1000 of {SIZE} bytes, then'):
        obtain([server.url(NAME)], tmp_path / NAME, SIZE, SHA256)
    assert visible(tmp_path) == []
    server.log.clear()
    get(server, tmp_path)
    assert server.ranges(NAME) == ['bytes=1000-']


def test_a_server_without_ranges(server: FlakyServer, tmp_path: Path) -> None:
    server.faults[NAME] = [dict(cut=1000), dict(ranges=False)]
    get(server, tmp_path)


@pytest.mark.parametrize('left', [b'x' * 1000, b'x' * SIZE, b'x' * (SIZE + 1), CONTENT])
def test_what_an_earlier_run_left_may_be_wrong(
    server: FlakyServer, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / f'.{NAME}.part').write_bytes(left)
    get(server, tmp_path)
    assert (server.log == []) == (left == CONTENT)


@pytest.mark.parametrize('at', [0, 150_000, SIZE - 1])
def test_one_flipped_bit(server: FlakyServer, tmp_path: Path, at: int) -> None:
    server.faults[NAME] = [dict(flip=at)]
    refused(server, tmp_path, f'SHA-256 is [0-9a-f]{{64}}, not {SHA256}')


@pytest.mark.parametrize('kind', ['text/html; charset=utf-8', 'application/octet-stream'])
@pytest.mark.parametrize('length', [True, False])
def test_a_page_with_status_200(
    server: FlakyServer, tmp_path: Path, kind: str, length: bool
) -> None:
    server.faults[NAME] = [dict(page=kind, length=length)] * 5
    reason = f'{len(PAGE)} bytes instead of {SIZE}' if length and 'html' not in kind else 'a page'
    refused(server, tmp_path, reason)


@pytest.mark.parametrize('content', [CONTENT[:-1], CONTENT + b'x'])
@pytest.mark.parametrize('length', [True, False])
def test_another_length(server: FlakyServer, tmp_path: Path, content: bytes, length: bool) -> None:
    server.faults[NAME] = [dict(replace=content, length=length)] * 5
    reason = 'more than|bytes instead of' if length or len(content) > SIZE else 'closed after'
    if length or len(content) > SIZE:
        refused(server, tmp_path, reason)
    else:  # without a length a short file is a broken transfer, and is continued
        server.faults[NAME] = server.faults[NAME][:1]
        get(server, tmp_path)


@pytest.mark.parametrize('status', [403, 404, 410])
def test_missing(server: FlakyServer, tmp_path: Path, status: int) -> None:
    server.faults[NAME] = [dict(status=status)]
    refused(server, tmp_path, f'status {status}')


def test_a_server_that_is_busy_is_asked_again(server: FlakyServer, tmp_path: Path) -> None:
    server.faults[NAME] = [dict(status=503), dict(status=429), dict(status=500)]
    get(server, tmp_path)
    assert len(server.log) == 4


def test_no_server_at_all(server: FlakyServer, tmp_path: Path) -> None:
    with flaky({}) as gone:
        url = gone.url(NAME)
    obtain([url, server.url(NAME)], tmp_path / NAME, SIZE, SHA256)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_redirects_within_the_scheme(server: FlakyServer, tmp_path: Path) -> None:
    with flaky({'there.safetensors': CONTENT}) as other:
        server.faults[NAME] = [dict(redirect=other.url('there.safetensors'))]
        get(server, tmp_path)
        assert other.ranges('there.safetensors') == [None]


@pytest.mark.parametrize('scheme', ['https', 'file', 'ftp'])
def test_redirects_to_another_scheme(server: FlakyServer, tmp_path: Path, scheme: str) -> None:
    there = tmp_path / 'there.safetensors'
    there.write_bytes(CONTENT)
    places = {'file': there.as_uri(), 'https': server.url(NAME).replace('http:', 'https:')}
    server.faults[NAME] = [dict(redirect=places.get(scheme, f'{scheme}://127.0.0.1/{NAME}'))]
    refused(server, tmp_path / 'cache', 'redirect to another scheme')


def test_redirects_without_end(server: FlakyServer, tmp_path: Path) -> None:
    server.faults[NAME] = [dict(redirect=server.url(NAME))] * 8
    with pytest.raises(ZooError, match='redirects'):
        get(server, tmp_path)


@pytest.mark.skipif(not shutil.which('openssl'), reason='makes the certificate')
def test_https_does_not_fall_back_to_http(
    server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext '
    files = ['subjectAltName=IP:127.0.0.1', '-keyout', 'key.pem', '-out', 'cert.pem']
    subprocess.run([*command.split(), *files], cwd=tmp_path, check=True, capture_output=True)
    both = tmp_path / 'both.pem'
    both.write_bytes((tmp_path / 'key.pem').read_bytes() + (tmp_path / 'cert.pem').read_bytes())
    with flaky({NAME: CONTENT}, both) as secure:
        with pytest.raises(ZooError, match='certificate'):
            get(secure, tmp_path / 'untrusted')
        monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(tmp_path / 'cert.pem'))
        get(secure, tmp_path / 'trusted')
        secure.faults[NAME] = [dict(redirect=server.url(NAME))]
        with pytest.raises(ZooError, match='redirect to another scheme'):
            get(secure, tmp_path / 'redirected')
    assert server.log == []


@pytest.mark.parametrize('damage', ['flip', 'truncate', 'page'])
def test_a_damaged_file_is_fetched_again(server: FlakyServer, tmp_path: Path, damage: str) -> None:
    """Also within a process that has checked the file before."""
    path = get(server, tmp_path)
    flipped = CONTENT[:77] + bytes([CONTENT[77] ^ 1]) + CONTENT[78:]
    path.write_bytes(dict(flip=flipped, truncate=CONTENT[:-1], page=PAGE)[damage])
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    get(server, tmp_path)
    assert len(server.log) == 2


def test_a_full_disk_is_not_a_broken_transfer(
    server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, 'install', lambda *_: (_ for _ in ()).throw(OSError(28, 'full')))
    with pytest.raises(OSError, match='full'):
        get(server, tmp_path)
    assert visible(tmp_path) == [] and len(server.log) == 1


def test_eight_processes_and_one_transfer(server: FlakyServer, tmp_path: Path) -> None:
    server.always = dict(pause=0.01)
    start = CONTEXT.Event()
    arguments = (start, server.url(NAME), str(tmp_path / NAME), SIZE, SHA256)
    processes = [CONTEXT.Process(target=obtain_once, args=arguments) for _ in range(8)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 8
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.log == [(f'/{NAME}', None)]


def test_a_terminal_sees_a_progress_bar(
    server: FlakyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    get(server, tmp_path / 'quiet')
    assert capsys.readouterr() == ('', '')  # no terminal, no bar
    server.always = dict(pause=0.02)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '120')
    ours, theirs = pty.openpty()
    with open(theirs, 'w') as terminal:
        monkeypatch.setattr(sys, 'stderr', terminal)
        get(server, tmp_path / 'shown')
        shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert NAME in shown and '0/300.0 kB' in shown and '300.0/300.0 kB' in shown


def test_kills_while_checkpoints_are_written(tmp_path: Path) -> None:
    check_killed_checkpoints(tmp_path, 20)


def test_kills_while_weights_are_downloaded(tmp_path: Path) -> None:
    check_killed_downloads(tmp_path, 20)
