"""Shared by the tests of data parallel and others."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from parallel_steps import TWO, batches, build
from tasks import search_optimizers
from tool import ROOT

from ppnas_mm.benchmarks.cost_model import Probe


def run_steps(folder: Path, names: tuple[str, ...]) -> str:
    """Let two processes do one step of each of some searches; return what they printed."""
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
        str(ROOT / 'tests/helpers/parallel_steps.py'), str(folder), *names,
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests/helpers')])
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('STEPPED') == 2
    return done.stdout


def check_step(name: str, folder: Path) -> None:
    """Compare with the step of this process alone."""
    algorithm = build(name)
    before = {key: value.clone() for key, value in algorithm.state_dict().items()}
    algorithm.train_step(batches(algorithm, 0, 1), search_optimizers(algorithm))
    expected = algorithm.state_dict()
    moved = {key for key, value in before.items() if not value.equal(expected[key])}
    assert {'running_var', 'weight'} <= {key.split('.')[-1] for key in moved}
    assert any('.arch.' in key for key in moved) == ('arch' in algorithm.optim_parts())
    found: list[Any] = [torch.load(folder / f'{name}-{rank}.pth') for rank in (0, 1)]
    for key, value in expected.items():
        if key.split('.')[0] in ('model', 'evaluation', 'distillation'):
            one, two = (each['state'][key] for each in found)
            torch.testing.assert_close(one, value, rtol=1e-7, atol=1e-9)
            assert torch.equal(one, two)


def check_sent(name: str, folder: Path) -> None:
    """Compare what two processes sent with what the cost model counts in one."""
    algorithm = build(name)
    batch = batches(algorithm, 0)
    probe = Probe(algorithm, search_optimizers(algorithm), batch.get('train', batch), draws=1)
    measured = [torch.load(folder / f'{name}-{rank}.pth')['sent'] for rank in (0, 1)]
    predicted = probe.step().sent
    assert measured == [predicted] * 2 and predicted > 0


@pytest.fixture(scope='module')
def stepped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What two processes left and printed; ``slow`` has the other searches."""
    folder = tmp_path_factory.mktemp('steps')
    return folder, run_steps(folder, TWO)


@pytest.fixture
def folder(stepped: tuple[Path, str]) -> Path:
    """What two processes left."""
    return stepped[0]
