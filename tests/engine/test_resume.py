"""A search that is killed and resumed ends as the one that was never killed, bit by bit."""

import os
import random
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file
from tool import DIGITS, TINY, call, start

from ppnas_mm.engine.checkpoint import latest_checkpoint
from ppnas_mm.weights.checkpoint import CheckpointError

OPTIONS = ['--cfg-options', *TINY, 'train_dataloader.num_workers=1']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    assert call('search.py', DIGITS, '--work-dir', folder, *OPTIONS) == 0
    return folder


def kill_at(folder, epochs, delay):
    """Run, and kill -9 ``delay`` seconds after ``epochs`` checkpoints were seen."""
    process = start(
        'search.py', DIGITS, '--work-dir', folder, '--resume', *OPTIONS,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not (folder / f'epoch_{epochs}.pth').is_file():
        time.sleep(0.005)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_kills_change_nothing(whole, tmp_path):
    rng = random.Random(os.urandom(8))
    for epochs in (1, 3):
        kill_at(tmp_path, epochs, rng.uniform(0, 0.4))
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--resume', *OPTIONS) == 0
    for name in ('genotype.json', 'derived.safetensors', 'search.json', 'report.html'):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name
    left, right = (load_file(f / 'derived.safetensors') for f in (tmp_path, whole))
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


def test_a_truncated_checkpoint_falls_back(whole, tmp_path, capsys):
    for path in whole.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    newest = tmp_path / 'epoch_4.pth'
    newest.write_bytes(newest.read_bytes()[:-1000])
    warnings = []
    assert latest_checkpoint(tmp_path, warnings.append) == tmp_path / 'epoch_3.pth'
    assert len(warnings) == 1 and 'epoch_4.pth' in warnings[0]
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--resume', *OPTIONS) == 0
    assert 'epoch_4.pth' in capsys.readouterr().out
    for name in ('genotype.json', 'derived.safetensors', 'search.json', 'report.html'):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_no_readable_checkpoint_is_an_error(tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'x')
    with pytest.raises(CheckpointError, match='none of its 1 checkpoints'):
        latest_checkpoint(tmp_path, lambda text: None)
    assert latest_checkpoint(tmp_path / 'nothing') is None
