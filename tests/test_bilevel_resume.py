"""A CDARTS search that is killed in the middle of a cycle and resumed ends in the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from tool import ROOT, call, start

from ppnas_mm import Genotype

CONFIG = str(ROOT / 'configs/search/cdarts_digits.py')
OPTIONS = [
    '--cfg-options',
    'model.model.backbone.init_channels=2',
    'model.model.backbone.num_cells=3',
    'model.model.head.in_channels=32',
    'model.evaluation.num_cells=4',
    'model.warmup_epochs=0',
    'train_dataloader.dataset.indices=70',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=20',
    'optim_wrapper.arch.optimizer.lr=0.5',
    'train_cfg.max_epochs=4',
    'train_cfg.val_interval=4',
    'custom_hooks.1.recalibrate_batches=1',
]
FILES = ('genotype.json', 'derived.safetensors', 'search.json')


def kill_after(folder: Path, epoch: int) -> None:
    """Run, and kill -9 soon after the checkpoint of an epoch was seen."""
    process = start(
        'search.py', CONFIG, '--work-dir', folder, '--resume', *OPTIONS,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not (folder / f'epoch_{epoch}.pth').is_file():
        time.sleep(0.005)
    time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_kill_between_the_phases_of_a_cycle_changes_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert call('search.py', CONFIG, '--work-dir', whole, *OPTIONS) == 0
    kill_after(killed, 1)  # epoch 1 trains the evaluation network, epoch 2 is joint
    assert not (killed / 'derived.safetensors').exists()
    state = torch.load(killed / 'epoch_1.pth', weights_only=True)
    assert any(key.startswith('evaluation.') for key in state['state_dict'])
    assert call('search.py', CONFIG, '--work-dir', killed, '--resume', *OPTIONS) == 0
    for name in FILES:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_two_processes_search_one_architecture(tmp_path: Path) -> None:
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29631',
        str(ROOT / 'tools/search.py'), CONFIG, '--work-dir', str(tmp_path), '--launcher', 'pytorch',
        *OPTIONS, 'train_dataloader.batch_size=8',
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert Genotype.load(tmp_path / 'genotype.json').provenance['status'] == 'derived'
    weights = load_file(tmp_path / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())
