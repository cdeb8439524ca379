"""A search that is killed and resumed ends in the same bytes: in a cycle, between shrinkings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tool import ROOT, call, start

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
    'custom_hooks.1.recalibrate_batches=1',
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
    # after epochs 1 and 3 each edge loses an operation
    'eoinas_digits': [*SMALL, 'model.slimming.begin=1', 'model.slimming.interval=2'],
    # after epochs 1 and 2 4 operations are dropped and choices merged; epoch 3 ends the search
    'senas_digits': SENAS,
}
every_search = pytest.mark.parametrize('name', OPTIONS)
FILES = ('genotype.json', 'derived.safetensors', 'search.json')


def config(name: str) -> str:
    """Path of a search config."""
    return str(ROOT / f'configs/search/{name}.py')


def kill_after(name: str, folder: Path, epoch: int) -> None:
    """Run, and kill -9 soon after the checkpoint of an epoch was seen."""
    process = start(
        'search.py', config(name), '--work-dir', folder, '--resume', *OPTIONS[name],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not (folder / f'epoch_{epoch}.pth').is_file():
        time.sleep(0.005)
    time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@every_search
def test_a_kill_changes_nothing(name: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert call('search.py', config(name), '--work-dir', whole, *OPTIONS[name]) == 0
    kill_after(name, killed, 1)
    assert not (killed / 'derived.safetensors').exists()
    again = ['--work-dir', killed, '--resume', *OPTIONS[name]]
    assert call('search.py', config(name), *again) == 0
    for file in FILES:
        assert (killed / file).read_bytes() == (whole / file).read_bytes(), file
    again = tmp_path / 'again'
    assert call('derive.py', whole, '--out', again) == 0
    for file in FILES[:2]:
        assert (again / file).read_bytes() == (whole / file).read_bytes(), file
    pictures = {'genotype.svg', 'search.svg'}
    if name == 'eoinas_digits':
        pictures |= {'importance.svg', 'importance_table.svg'}
    if name == 'senas_digits':
        pictures |= {'stages.svg', 'growth.svg'}
    assert {path.name for path in killed.glob('*.svg')} == pictures


def test_checkpoints_hold_what_a_phase_needs_and_nothing_pruned(tmp_path: Path) -> None:
    for name in OPTIONS:
        kill_after(name, tmp_path / name, 1)
    states = {n: torch.load(tmp_path / n / 'epoch_1.pth', weights_only=True) for n in OPTIONS}
    assert any(key.startswith('evaluation.') for key in states['cdarts_digits']['state_dict'])
    state = states['eoinas_digits']['state_dict']
    (row,) = (key for key in state if key.endswith('backbone.alive'))
    assert int((~state[row]).sum()) == 28  # one of the eight operations of each edge
    owned = states['eoinas_digits']['optimizer']['weights']['param_groups'][0]['params']
    weights = [k for k, v in state.items() if k.startswith('model.') and '.arch.' not in k]
    trained = [k for k in weights if k.endswith(('weight', 'bias'))]
    assert len(owned) == len(trained)
    state = states['senas_digits']['state_dict']
    assert int((~state['model.backbone.alive']).sum()) == 4
    assert len(state['model.backbone.merged'].unique()) < len(state['model.backbone.merged'])
    assert not state['selected'].any() and state['importance'].isfinite().any()
    owned = states['senas_digits']['optimizer']['weights']['param_groups'][0]['params']
    weights = [k for k in state if k.startswith('model.') and '.arch.' not in k]
    assert len(owned) == sum(key.endswith(('weight', 'bias')) for key in weights)


@every_search
def test_two_processes_search_one_architecture(name: str, tmp_path: Path) -> None:
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29631',
        str(ROOT / 'tools/search.py'), config(name), '--work-dir', str(tmp_path),
        '--launcher', 'pytorch', *OPTIONS[name], 'train_dataloader.batch_size=8',
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert Genotype.load(tmp_path / 'genotype.json').provenance['status'] == 'derived'
    weights = load_file(tmp_path / 'derived.safetensors')
    assert all(torch.isfinite(w).all() for w in weights.values())
