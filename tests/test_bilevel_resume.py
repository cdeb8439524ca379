"""A search that is stopped and resumed ends in the same bytes: in a cycle, between shrinkings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tool import ROOT, call

from ppnas_mm import Genotype
from ppnas_mm.engine import SearchLoop

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
FILES = ('genotype.json', 'derived.safetensors', 'search.json')


def config(name: str) -> str:
    """Path of a search config."""
    return str(ROOT / f'configs/search/{name}.py')


def run(name: str, folder: Path, *arguments: str) -> int:
    """Run a search in this process; return the exit code of the tool."""
    return call('search.py', config(name), '--work-dir', folder, *arguments, *OPTIONS[name])


def read(folder: Path, *files: str) -> dict[str, bytes]:
    """The contents of files."""
    return {file: (folder / file).read_bytes() for file in files}


@pytest.fixture(scope='module', params=OPTIONS)
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name and folder of a search that was interrupted in its second epoch."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    real = SearchLoop.run_iter

    def run_iter(loop: SearchLoop, index: int, batch: Any) -> None:
        if (loop.epoch, index) == (1, 1):
            raise KeyboardInterrupt
        real(loop, index, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchLoop, 'run_iter', run_iter)
        assert run(name, folder) == 130
    return name, folder


def test_a_checkpoint_holds_what_a_phase_needs_and_nothing_pruned(stopped: Any) -> None:
    name, folder = stopped
    checkpoint = torch.load(folder / 'epoch_1.pth', weights_only=True)
    state = checkpoint['state_dict']
    owned = checkpoint['optimizer']['weights']['param_groups'][0]['params']
    weights = [k for k in state if k.startswith('model.') and '.arch.' not in k]
    trained = [k for k in weights if k.endswith(('weight', 'bias'))]
    if name == 'cdarts_digits':
        assert any(key.startswith('evaluation.') for key in state)
        return
    assert len(owned) == len(trained)
    if name == 'eoinas_digits':
        (row,) = (key for key in state if key.endswith('backbone.alive'))
        assert int((~state[row]).sum()) == 28  # one of the operations of each edge
    else:
        assert int((~state['model.backbone.alive']).sum()) == 4
        assert len(state['model.backbone.merged'].unique()) < len(state['model.backbone.merged'])
        assert not state['selected'].any() and state['importance'].isfinite().any()


def test_an_interrupt_changes_nothing(stopped: Any, tmp_path: Path) -> None:
    """``slow`` has kills; ``test_resume.py`` kills another search."""
    name, start = stopped
    assert not (start / 'derived.safetensors').exists()
    whole, folder, again = (tmp_path / part for part in ('whole', 'resumed', 'again'))
    shutil.copytree(start, folder)
    assert run(name, whole) == 0
    assert run(name, folder, '--resume') == 0
    assert read(folder, *FILES) == read(whole, *FILES)
    assert call('derive.py', whole, '--out', again) == 0
    assert read(again, *FILES[:2]) == read(whole, *FILES[:2])
    pictures = {'genotype.svg', 'search.svg'}
    if name == 'eoinas_digits':
        pictures |= {'importance.svg', 'importance_table.svg'}
    if name == 'senas_digits':
        pictures |= {'stages.svg', 'growth.svg'}
    assert {path.name for path in folder.glob('*.svg')} == pictures


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


def test_two_processes_search_one_architecture(tmp_path: Path) -> None:
    """The search that shrinks and expands; ``slow`` has the others."""
    check_two_processes('senas_digits', tmp_path)
