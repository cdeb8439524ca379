"""Downloads end in time and write to no file but their own; what was checked is what is used."""

import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from entries import DIGITS, ENTRY
from filelock import FileLock
from flaky import FlakyServer, flaky
from hostile import open_doors
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file

from ppnas_mm import zoo
from ppnas_mm.utils.files import write_atomic
from ppnas_mm.weights import checkpoint as weights
from ppnas_mm.weights import download, transfer_watch
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint
from ppnas_mm.weights.download import obtain
from ppnas_mm.weights.index import ZooError
from ppnas_mm.zoo import model

CONTENT = bytes(range(256)) * 400
SIZE, SHA256 = len(CONTENT), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    """A server with one file, and a client that waits a second at most."""
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(download, 'BACKOFF', 0.001)
    monkeypatch.setattr(transfer_watch, 'PATIENCE', 1.0)
    with flaky({'w.bin': CONTENT, 'mirror.bin': CONTENT}) as server:
        yield server


def refused(server: FlakyServer, target: Path, words: str, seconds: float) -> None:
    """The first source gives nothing within some seconds; the lock is free, the second helps."""
    faults, start = list(server.faults['w.bin']), time.monotonic()
    with pytest.raises(ZooError, match=words) as error:
        obtain([server.url('w.bin')], target, SIZE, SHA256)
    assert time.monotonic() - start < seconds
    assert server.url('w.bin') in str(error.value) and '\n' not in str(error.value)
    with FileLock(target.with_name(f'.{target.name}.lock'), timeout=0):
        pass
    server.faults['w.bin'] = faults
    obtain([server.url('w.bin'), server.url('mirror.bin')], target, SIZE, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize('status', [429, 503])
@pytest.mark.parametrize('after', ['100000', 'Fri, 31 Dec 2100 23:59:59 GMT', '6'])
def test_a_long_pause_is_not_waited_for(
    server: FlakyServer, tmp_path: Path, status: int, after: str
) -> None:
    server.faults['w.bin'] = [dict(status=status, headers={'Retry-After': after})]
    refused(server, tmp_path / 'w.bin', rf'status {status}, to be asked again .*; at most 5 s', 2)


def test_a_short_pause_is(server: FlakyServer, tmp_path: Path) -> None:
    server.faults['w.bin'] = [dict(status=503, headers={'Retry-After': '0'})] * 2
    obtain([server.url('w.bin')], tmp_path / 'w.bin', SIZE, SHA256)
    assert len(server.log) == 3


def test_a_server_that_hangs_up_is_asked_a_fixed_number_of_times(
    server: FlakyServer, tmp_path: Path
) -> None:
    server.always = dict(silent=True)
    with pytest.raises(ZooError, match=f'0 of {SIZE} bytes, then'):
        obtain([server.url('w.bin')], tmp_path / 'w.bin', SIZE, SHA256)
    assert len(server.log) == download.ATTEMPTS


@pytest.mark.parametrize(
    'fault',
    [
        dict(drip=0.02),
        dict(drip=0.02, length=False),
        dict(slow_headers=0.02),
        dict(stall=0),
        dict(stall=1000),
    ],
)
def test_a_dripping_server_is_left(server: FlakyServer, tmp_path: Path, fault: dict) -> None:
    server.faults['w.bin'] = [fault]
    words = r'fewer than 32768 bytes in 1 s \(the limit\); \d+ of 102400 bytes came'
    refused(server, tmp_path / 'w.bin', words, 4)


def test_the_total_ends_what_is_just_fast_enough(
    server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PPNAS_DOWNLOAD_SECONDS', '1.5')
    monkeypatch.setattr(transfer_watch, 'FEWEST', 1)
    server.faults['w.bin'] = [dict(pause=0.5)]
    words = r'not there after 1\.5 s in all \(the limit; PPNAS_DOWNLOAD_SECONDS\); (\d+) of'
    start = time.monotonic()
    with pytest.raises(ZooError, match=words):
        obtain([server.url('w.bin')], tmp_path / 'w.bin', SIZE, SHA256)
    assert 1.4 < time.monotonic() - start < 3
    obtain([server.url('w.bin')], tmp_path / 'w.bin', SIZE, SHA256)  # goes on where it was cut
    assert str(server.ranges('w.bin')[-1]).startswith('bytes=')


@pytest.mark.parametrize('given', ['x', '0', '-1', 'nan', 'inf'])
def test_a_wrong_total(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PPNAS_DOWNLOAD_SECONDS', given)
    with pytest.raises(ZooError, match=f"PPNAS_DOWNLOAD_SECONDS='{given}': expected a number"):
        obtain([], tmp_path / 'w.bin', SIZE, SHA256)


def test_a_lock_that_is_held_is_waited_for_that_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PPNAS_DOWNLOAD_SECONDS', '0.3')
    with (
        FileLock(tmp_path / '.w.bin.lock'),
        pytest.raises(ZooError, match=r'another process holds .*\.w\.bin\.lock for 0\.3 s'),
    ):
        obtain([], tmp_path / 'w.bin', SIZE, SHA256)


@pytest.mark.parametrize(
    ('fault', 'words'),
    [
        (dict(drip=0.02), 'fewer than 32768 bytes in 1 s'),
        (dict(drip=0.02, length=False), 'fewer than 32768 bytes in 1 s'),
        (dict(slow_headers=0.02), 'fewer than 32768 bytes in 1 s'),
        (dict(status=503, headers={'Retry-After': '100000'}), 'at most 5 s are waited'),
        (dict(status=404), 'status 404'),
        (dict(page='text/html'), 'a page'),
        (dict(cut=1000), '1000'),
        (dict(redirect='ftp://127.0.0.1/x'), 'redirect to another scheme'),
    ],
)
def test_load_from_http_ends_in_time(
    server: FlakyServer, tmp_path: Path, fault: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmengine's own download has no time-outs."""
    open_doors(monkeypatch)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    weights.refuse_code()
    buffer = io.BytesIO()
    torch.save({'state_dict': {'w': torch.ones(3)}}, buffer)
    server.files['w.pth'] = buffer.getvalue()
    server.faults['w.pth'] = [fault]
    start, url = time.monotonic(), server.url('w.pth')
    with pytest.raises(CheckpointError, match=f'checkpoint {url}: cannot be loaded: .*{words}'):
        CheckpointLoader.load_checkpoint(url)
    assert time.monotonic() - start < 3
    assert not [x for x in tmp_path.rglob('*') if x.is_file()]
    assert CheckpointLoader.load_checkpoint(url)['state_dict']['w'].sum() == 3


# ---- links


@pytest.mark.parametrize('suffix', ['part', 'lock'])
@pytest.mark.parametrize('kind', ['symbolic', 'hard', 'dangling'])
@pytest.mark.parametrize('local', [False, True])
def test_no_link_is_followed(
    server: FlakyServer, tmp_path: Path, suffix: str, kind: str, local: bool
) -> None:
    victim, source = tmp_path / 'victim', tmp_path / 'source'
    source.write_bytes(CONTENT)
    link = tmp_path / f'.w.bin.{suffix}'
    if kind == 'dangling':
        link.symlink_to(tmp_path / 'nothing')
    else:
        victim.write_bytes(CONTENT[:100])
        os.link(victim, link) if kind == 'hard' else link.symlink_to(victim)
    target = tmp_path / 'w.bin'
    obtain([source if local else server.url('w.bin')], target, SIZE, SHA256)
    assert target.read_bytes() == CONTENT and not target.is_symlink()
    assert target.stat().st_nlink == 1
    assert not (tmp_path / 'nothing').exists()
    assert server.ranges('w.bin') == ([] if local else [None])  # nothing counts as there
    if kind != 'dangling':
        assert victim.read_bytes() == CONTENT[:100]


def test_a_part_that_is_no_file(server: FlakyServer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / '.w.bin.part')
    obtain([server.url('w.bin')], tmp_path / 'w.bin', SIZE, SHA256)
    assert (tmp_path / 'w.bin').read_bytes() == CONTENT


def test_an_atomic_write_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / 'victim').write_bytes(b'mine')
    (tmp_path / f'.a.{os.getpid()}.tmp').symlink_to(tmp_path / 'victim')
    write_atomic(tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new' and not (tmp_path / 'a').is_symlink()
    assert (tmp_path / 'victim').read_bytes() == b'mine'


# ---- what was checked is what is used


def alter(path: Path) -> None:
    """Change a byte of a tensor in place; size and time stay."""
    status = path.stat()
    with open(path, 'r+b') as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)
        file.seek(-5, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_altered_with_size_and_time_kept(tmp_path: Path) -> None:
    (tmp_path / 'w.bin').write_bytes(CONTENT)
    assert download.is_whole(tmp_path / 'w.bin', SIZE, SHA256)
    alter(tmp_path / 'w.bin')
    assert not download.is_whole(tmp_path / 'w.bin', SIZE, SHA256)


def test_a_file_altered_after_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the hash and the reading somebody is faster."""
    path = tmp_path / 'w.safetensors'
    path.write_bytes(zoo.fetch(DIGITS).read_bytes())
    for module in (weights, model):
        found = (path, ENTRY['sha256'])
        monkeypatch.setattr(module, 'locate', lambda name, index=None, found=found: found)
    assert load_checkpoint(f'ppnas://{DIGITS}')['state_dict']
    alter(path)
    for read in (load_checkpoint, zoo.load):
        with pytest.raises(CheckpointError, match=f'{path}.*SHA-256 is .*, not {ENTRY["sha256"]}'):
            read(f'ppnas://{DIGITS}')


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_tensors_do_not_change_with_their_file(suffix: str, tmp_path: Path) -> None:
    path, weight = tmp_path / f'w{suffix}', torch.arange(1000.0)
    given = {'w': weight, 'n': torch.tensor(3), 'h': weight.half()}
    if suffix == '.pth':
        torch.save(given, path)
    else:
        save_file(given, path, {'a': 'b'})
    data = load_checkpoint(path)
    with open(path, 'r+b') as file:
        file.write(bytes(path.stat().st_size))
    assert all(torch.equal(data['state_dict'][key], value) for key, value in given.items())
    assert {k: v.dtype for k, v in data['state_dict'].items()} == {
        k: v.dtype for k, v in given.items()
    }
    assert data['meta'] == ({} if suffix == '.pth' else {'a': 'b'})
