"""Searches that are killed and resumed, and searches of two processes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from bilevel_runs import FILES, OPTIONS, check_two_processes, config, read, run
from tool import start


@pytest.mark.parametrize('name', OPTIONS)
def test_a_kill_changes_nothing(name: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert run(name, whole) == 0
    process = start(
        'search.py', config(name), '--work-dir', killed, *OPTIONS[name],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not (killed / 'epoch_1.pth').is_file():
        time.sleep(0.005)
    time.sleep(0.1)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / 'derived.safetensors').exists()
    assert run(name, killed, '--resume') == 0
    assert read(killed, *FILES) == read(whole, *FILES)


@pytest.mark.parametrize('name', ['cdarts_digits', 'eoinas_digits'])
def test_two_processes_search_one_architecture(name: str, tmp_path: Path) -> None:
    check_two_processes(name, tmp_path)
