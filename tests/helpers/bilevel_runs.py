"""Shared by the tests of bilevel resume and others."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tool import ROOT, call

from ppnas_mm import Genotype

SMALL = [
    '--cfg-options',
    'model.model.backbone.init_channels=2',
    'model.model.backbone.num_cells=3',
    'model.model.head.in_channels=32',
    'model.warmup_epochs=0',
    'train_dataloader.dataset.indices=70',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=20',
    'optim_wrapper.arch.optimizer.lr=0.5',
    'train_cfg.max_epochs=4',
    'train_cfg.val_interval=4',
    'default_hooks.search.recalibrate_batches=1',
]


SENAS = [
    '--cfg-options',
    'model.model.backbone.depths=(1,2,1,1,1,1)',
    'model.limits.flops=3e6',
    'model.first_epochs=1',
    'model.stage_epochs=1',
    'model.max_stages=2',
    'model.drop=4',
    'model.threshold=20',
    'model.models_per_op=2',
    'model.eval_batches=1',
    'model.recalibrate_batches=1',
    'model.selection.population=4',
    'model.selection.generations=2',
    'model.selection.crossover=2',
    'model.selection.mutation=2',
    *SMALL[5:8],
    *SMALL[9:],
]


OPTIONS = {
    # epoch 1 trains the evaluation network, epoch 2 is joint
    'cdarts_digits': [*SMALL, 'model.evaluation.num_cells=4'],
    # after epochs 1 and 4 each edge loses an operation
    'eoinas_digits': [
        *SMALL,
        'model.model.backbone.ops=[none,skip_connect,sep_conv_3x3]',
        'model.slimming.interval=3',
    ],
    # after epochs 1 and 2 four operations are dropped and choices merged; epoch 3 ends the search
    'senas_digits': SENAS,
}


FILES = ('genotype.json', 'derived.safetensors', 'search.json', 'report.html')


def config(name: str) -> str:
    """Path of a search config."""
    return str(ROOT / f'configs/search/{name}.py')


def run(name: str, folder: Path, *arguments: str) -> int:
    """Run a search in this process; return the exit code of the tool."""
    return call('search.py', config(name), '--work-dir', folder, *arguments, *OPTIONS[name])


def read(folder: Path, *files: str) -> dict[str, bytes]:
    """The contents of files."""
    return {file: (folder / file).read_bytes() for file in files}


def check_two_processes(name: str, folder: Path) -> None:
    """Two processes search one architecture."""
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29631',
        str(ROOT / 'tools/search.py'), config(name), '--work-dir', str(folder),
        '--launcher', 'pytorch', *OPTIONS[name], 'train_dataloader.batch_size=8',
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert Genotype.load(folder / 'genotype.json').provenance['status'] == 'derived'
    weights = load_file(folder / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())
