"""The closed loop of tools/prune_simulation.py: worlds by hand, readings on NAS-Bench-201."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nb201 import OPS, text_of
from nb201_table import table_file
from tool import call

from ppnas_mm.analysis.pruning import READINGS, Search, Setting, made_world, table_world

DEFAULT, FORMER = 'edge mean, every epoch (default)', 'step before, every epoch, E reset'


def write_tables(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Write both tables of three operations an edge; return their accuracies by their columns."""
    cells = list(itertools.product(range(3), repeat=6))
    found = {}
    for name, key, column in (
        ('nb201_12epoch_accs.csv', 'arch', 'cifar10-test'),
        ('nats_bench_tss_200ep.csv', 'ArchitectureString', 'CIFAR10TestAccuracy200Epochs'),
    ):
        values = rng.integers(10, 90, 3**6)
        names = sorted(OPS[:3])
        lines = [
            f'{text_of([names[i] for i in c])},{v}' for c, v in zip(cells, values, strict=True)
        ]
        (folder / name).write_text('\n'.join([f'{key},{column}', *lines]) + '\n')
        found[column] = values.reshape([3] * 6)
    return found


def test_worlds_give_what_their_tables_say() -> None:
    rng = np.random.default_rng(0)
    drive, score = rng.random((3,) * 6) * 100, rng.random((3,) * 6)
    world = table_world(drive, score)
    cells = rng.integers(0, 3, (5, 4, 6))
    for step, search in itertools.product(range(5), range(4)):
        spot = tuple(cells[step, search])
        assert world.accuracy(cells)[step, search] == drive[spot] / 100
        assert world.score(cells[step])[search] == score[spot]
    made = made_world(2, 2, 2, np.random.default_rng(0))
    every = [np.array([cell] * 2) for cell in itertools.product(range(2), repeat=2)]
    scores = np.array([made.score(cell) for cell in every])
    assert scores.max(0) == pytest.approx(1) and scores.mean(0) == pytest.approx(0)
    accuracies = np.array([made.accuracy(cell[None])[0] for cell in every])
    assert np.all((accuracies > 0.3) & (accuracies < 0.9))
    assert np.array_equal(accuracies.argsort(0), scores.argsort(0))


def test_beta_moves_by_the_drift_and_prunings_leave_one_operation() -> None:
    table = np.zeros((4, 4))
    table += np.array([0, 10, 20, 60])[:, None]  # edge 0 decides, edge 1 is noise
    world = table_world(table, table)
    search = Search(world, READINGS[DEFAULT], Setting(seeds=3, batch=10**6), 0)
    search.train()
    search.move_beta(0.01)
    beta = search.beta().reshape(3, 2, 4).numpy()
    # A of edge 0 is 0, .1, .2, .6; less their mean, .225, and by the largest, .375
    expected = 0.25 + 0.01 * np.array([-0.225, -0.125, -0.025, 0.375]) / 0.375
    assert beta[:, 0] == pytest.approx(np.broadcast_to(expected / expected.sum(), (3, 4)), abs=1e-3)
    assert search.plan.last == search.epochs == 80
    scores = Search(world, READINGS[DEFAULT], Setting(seeds=3), 0).run(0.01)
    assert scores.tolist() == [60, 60, 60]


def test_the_tool_prints_and_writes_every_reading(tmp_path: Path, capsys: Any) -> None:
    tables = write_tables(tmp_path, np.random.default_rng(0))
    small = ['--seeds', 2, '--interval', 1, '--steps', 4, '--drift', 0, 0.01]
    arguments = ['--table', tmp_path, '--json', tmp_path / 'a.json', *small]
    assert call('prune_simulation.py', *arguments) == 0
    rows = json.loads((tmp_path / 'a.json').read_text())
    assert [(r['reading'], r['world'], r['drift']) for r in rows] == list(
        itertools.product(READINGS, ('NAS-Bench-201', 'made'), (0, 0.01))
    )
    out = capsys.readouterr().out
    score = tables['CIFAR10TestAccuracy200Epochs']
    assert f'mean of all cells {score.mean():.2f}, best {score.max():.2f}' in out
    for reading in READINGS:
        means = [r['mean'] for r in rows if r['reading'] == reading]
        line = ' +\\| +'.join([re.escape(reading), *(re.escape(f'{m:.2f}') for m in means)])
        assert re.search(rf'\| {line} \|', out)
    (tmp_path / 'nb201_12epoch_accs.csv').unlink()
    for bad, message in (
        (arguments, 'a folder with nb201_12epoch_accs.csv[.gz]'),
        (['--seeds', 1], '--seeds 1: expected 2 or more'),
        (['--interval', 0], '--interval 0: expected 1 or more'),
        (['--drift', -1], '--drift [-1.0]: expected numbers from 0'),
    ):
        assert call('prune_simulation.py', *bad) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(('drift', 'least'), [(0.0, 93.0), (0.003, 94.2), (0.008, 94.2)])
def test_the_default_finds_good_cells_of_nasbench201(drift: float, least: float) -> None:
    from ppnas_mm.analysis.nasbench201 import accuracy_grid
    from ppnas_mm.tables import NASBench201Table

    names = ('nb201_12epoch_accs.csv.gz', 'nats_bench_tss_200ep.csv.gz')
    drive, score = (
        accuracy_grid(NASBench201Table.load(table_file(n)), 'cifar10')[1] for n in names
    )
    world = table_world(drive, score)
    assert Search(world, READINGS[DEFAULT], Setting(), 1).run(drift).mean() >= least
    if not drift:  # nothing works against the former reading there
        former = Search(world, READINGS[FORMER], Setting(), 1).run(drift)
        assert former.mean() < score.mean() - 20
