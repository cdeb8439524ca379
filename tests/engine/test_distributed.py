"""Two processes (gloo) search one architecture, through mmengine's launchers."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tool import DIGITS, ROOT, TINY, call
from two_processes import as_interrupted, read, run

from ppnas_mm import Genotype

KEPT = ['train_dataloader.batch_size=8', 'default_hooks.checkpoint.max_keep_ckpts=4']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Folder and output of a search of two processes that keeps all checkpoints."""
    folder = tmp_path_factory.mktemp('whole')
    command = [
        str(ROOT / 'tools/dist_search.sh'), DIGITS, '2', '--work-dir', str(folder),
        '--cfg-options', *TINY, *KEPT,
    ]  # fmt: skip
    given = {'PYTHON': sys.executable, 'PORT': '29613', 'OMP_NUM_THREADS': '1'}
    environment = {**os.environ, **given, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


def test_two_processes_search_and_derive(whole):
    folder, printed = whole
    genotype = Genotype.load(folder / 'genotype.json')
    assert genotype.provenance['status'] == 'derived'
    record = json.loads((folder / 'search.json').read_text())
    assert len(record['epochs']) == 4 and record['result']['genotype'] == genotype.hash
    assert printed.count('| super-net') == 1  # one process reports
    weights = load_file(folder / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())


def test_two_processes_resume_to_the_same_bytes(whole, tmp_path):
    """DDP's sums depend on how its buckets lie; ``slow`` has the other algorithms."""
    as_interrupted(whole[0], tmp_path / 'resumed', 2)
    run('ppnas_digits', tmp_path / 'resumed', resume=True)
    assert read(tmp_path / 'resumed') == read(whole[0])


def test_another_number_of_processes_is_refused(whole, tmp_path, capsys):
    as_interrupted(whole[0], tmp_path / 'resumed', 3)
    options = ['--work-dir', tmp_path / 'resumed', '--resume', '--cfg-options', *TINY, *KEPT]
    assert call('search.py', DIGITS, *options) == 2
    message = capsys.readouterr().err
    assert 'had 2 processes, --resume has 1' in message
    (allowed,) = re.findall(r'--cfg-options (\S+)', message)
    assert call('search.py', DIGITS, *options, allowed) == 0


def test_slurm_gets_processes_per_node_and_the_arguments(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    srun.chmod(0o755)
    command = [ROOT / 'tools/slurm_search.sh', 'gpu', 'job', DIGITS, '--cfg-options', 'a.b=(1, 2)']
    for gpus, per_node in (('16', '8'), ('4', '4')):
        given = {
            'PATH': f'{tmp_path}:{os.environ["PATH"]}',
            'GPUS': gpus,
            'SRUN_ARGS': '-t 1 -A me',
        }
        done = subprocess.run(
            command, env={**os.environ, **given}, capture_output=True, text=True, check=True
        )
        words = done.stdout.splitlines()
        options, rest = words[: words.index('python')], words[words.index('python') :]
        assert {
            f'--ntasks={gpus}',
            f'--ntasks-per-node={per_node}',
            f'--gres=gpu:{per_node}',
        } <= set(options)
        assert {'--partition=gpu', '--job-name=job', '-t', '1', '-A', 'me'} <= set(options)
        assert rest[2:] == [
            str(ROOT / 'tools/search.py'), DIGITS, '--launcher', 'slurm', *command[4:]
        ]  # fmt: skip


@pytest.mark.parametrize('script', ['dist_search.sh', 'slurm_search.sh'])
def test_launchers_say_how_they_are_called(script):
    done = subprocess.run([ROOT / 'tools' / script, 'one'], capture_output=True, text=True)
    assert done.returncode == 2 and 'example: ' in done.stderr and script in done.stderr
