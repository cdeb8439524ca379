"""Two processes (gloo) search one architecture, through mmengine's launchers."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tool import DIGITS, ROOT, TINY

from ppnas_mm import Genotype


def test_two_processes_search_and_derive(tmp_path):
    command = [
        str(ROOT / 'tools/dist_search.sh'), DIGITS, '2', '--work-dir', str(tmp_path),
        '--cfg-options', *TINY, 'train_dataloader.batch_size=8',
    ]  # fmt: skip
    given = {'PYTHON': sys.executable, 'PORT': '29613', 'OMP_NUM_THREADS': '1'}
    environment = {**os.environ, **given, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    genotype = Genotype.load(tmp_path / 'genotype.json')
    assert genotype.provenance['status'] == 'derived'
    record = json.loads((tmp_path / 'search.json').read_text())
    assert len(record['epochs']) == 4 and record['result']['genotype'] == genotype.hash
    assert done.stdout.count('| super-net') == 1  # one process reports
    weights = load_file(tmp_path / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())


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
