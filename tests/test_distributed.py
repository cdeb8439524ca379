"""Two processes (gloo) search one architecture; mmengine's launcher, no code of ours."""

import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file
from tool import DIGITS, ROOT, TINY

from ppnas_mm import Genotype


def test_two_processes_search_and_derive(tmp_path):
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29613',
        str(ROOT / 'tools/search.py'), DIGITS, '--work-dir', str(tmp_path), '--launcher', 'pytorch',
        '--cfg-options', *TINY, 'train_dataloader.batch_size=8',
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    genotype = Genotype.load(tmp_path / 'genotype.json')
    assert genotype.provenance['status'] == 'derived'
    record = json.loads((tmp_path / 'search.json').read_text())
    assert len(record['epochs']) == 4 and record['result']['genotype'] == genotype.hash
    assert done.stdout.count('| super-net') == 1  # one process reports
    weights = load_file(tmp_path / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())
