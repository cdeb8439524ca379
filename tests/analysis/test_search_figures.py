"""CDARTS' Fig. 3 and 5 in NAS-Bench-201: accuracy of each epoch's cell, ranks by alpha."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cut_cells import CONFIG
from mmengine.runner import Runner
from nb201 import OPS, text_of
from nb201_table import brute_tau
from tool import call

from ppnas_mm.analysis.nasbench201 import accuracies_by_epoch
from ppnas_mm.config.load import load_config
from ppnas_mm.tables import NASBench201Table

EDGES = [f'cell/node{n}/op{i}' for n in (1, 2, 3) for i in range(n)]


def write_table(path: Path) -> dict[str, float]:
    """Accuracies of all cells of three operations, drawn at random."""
    rng = np.random.default_rng(0)
    cells = {
        text_of(ops): float(rng.random() * 100) for ops in itertools.product(OPS[1:4], repeat=6)
    }
    lines = [f'{i},{cell},{value}' for i, (cell, value) in enumerate(cells.items())]
    path.write_text('\n'.join(['index,arch,cifar10-test', *lines]) + '\n')
    return cells


def test_the_accuracy_of_every_epochs_cell(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    cells, rng = write_table(tmp_path / 'table.csv'), np.random.default_rng(1)
    chosen = [rng.integers(1, 4, 6) for _ in range(4)]
    entries, expected = [], []
    for epoch, kept in enumerate(chosen, 1):
        weights = {}
        for name, best in zip(EDGES, kept, strict=True):
            values = rng.random(5) / 10
            values[best] = 0.9
            weights[name] = values.tolist()
        entries.append(dict(epoch=epoch, architecture=weights))
        expected.append(cells[text_of([OPS[i] for i in kept])])
    for name in EDGES:  # a cell that the table lacks
        entries[3]['architecture'][name] = [1.0, 0, 0, 0, 0]
    choices = {name: dict(candidates=OPS, gates=False) for name in EDGES}
    record = dict(space='nasbench201', choices=choices, epochs=entries)
    found = accuracies_by_epoch(
        record, NASBench201Table.load(tmp_path / 'table.csv'), 'cifar10-test'
    )
    assert found[:3] == pytest.approx(expected[:3]) and math.isnan(found[3])


def test_the_tool_ranks_by_alpha_and_by_both_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    truth = write_table(tmp_path / 'table.csv')
    (tmp_path / 'search.py').write_text(CONFIG + f"work_dir = '{tmp_path}/work'\n")
    assert call('search.py', tmp_path / 'search.py', '--work-dir', tmp_path / 'found') == 0
    checkpoint = tmp_path / 'found/epoch_2.pth'
    capsys.readouterr()
    options: Any = ['--table', tmp_path / 'table.csv', '--cells', 6, '--batches', 1]
    options += ['--network', 'search', 'inherited', 'alpha']
    assert call('nasbench201.py', '--super-net', tmp_path / 'search.py', checkpoint, *options) == 0
    printed = capsys.readouterr().out
    pattern = r'^\[\d/6\] (\S+) (\S+) (\S+) (\S+) trained (\S+)$'
    lines = re.findall(pattern, printed, re.MULTILINE)
    assert len(lines) == 6
    algorithm: Any = Runner.from_cfg(load_config(tmp_path / 'search.py')).model
    algorithm.load_state_dict(torch.load(checkpoint, weights_only=True)['state_dict'])
    scores = []
    for cell, _, _, alpha, trained in lines:
        assert float(trained) == pytest.approx(truth[cell], abs=6e-3)
        nodes = NASBench201Table.decode(cell).cells[0].nodes
        total = 0.0
        for node, edges in enumerate(nodes, 1):
            for edge in edges:
                values = algorithm.super_net.arch[f'cell/node{node}/op{edge.sources[0]}'].tolist()
                total += values[OPS.index(edge.op)] - math.log(sum(map(math.exp, values)))
        scores.append(total)
        assert float(alpha) == pytest.approx(total, abs=6e-3)
    tau = re.findall(r'log-probability with .*?: (-?[\d.]+) \(6 cells', printed)
    assert float(tau[0]) == pytest.approx(
        brute_tau(scores, [truth[c] for c, *_ in lines]), abs=1e-3
    )
    columns = [[float(line[i]) for line in lines] for i in (1, 2)]
    (between,) = re.findall(r'between search and inherited: (\S+)', printed)
    assert float(between) == pytest.approx(brute_tau(*columns), abs=1e-3, nan_ok=True)
    assert len(re.findall('tau between', printed)) == 3


def test_a_foreign_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_table(tmp_path / 'table.csv')
    (tmp_path / 'search.json').write_text(json.dumps(dict(space='darts', epochs=[{}], choices={})))
    arguments = ['--record', tmp_path / 'search.json', '--table', tmp_path / 'table.csv']
    assert call('nasbench201.py', *arguments) == 2
    assert 'expected a search in space nasbench201' in capsys.readouterr().err
