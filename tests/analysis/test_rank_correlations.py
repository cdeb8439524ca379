"""Searches compared with the tables of NAS-Bench-201, and the tool that looks cells up in them."""

import itertools
import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from nb201 import OPS, text_of
from nb201_table import brute_tau, small_table
from tool import ROOT, call
from torch import nn
from zoo import scramble

from ppnas_mm.algorithms.base import SearchAlgorithm
from ppnas_mm.analysis.nasbench201 import (
    draw_cells,
    rank_correlations,
)
from ppnas_mm.config.load import load_config
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.registry import MODELS
from ppnas_mm.tables import NASBench201Table, TableError
from ppnas_mm.weights.checkpoint import describe

# -- how a search ranked the operations ------------------------------------------------------------


def made_record(rng: np.random.Generator, epochs: int = 3) -> dict[str, Any]:
    """A record of a search that prunes an operation an epoch, with random tables."""
    names = [f'cell/node{node}/op{source}' for node in (1, 2, 3) for source in range(node)]
    record: dict[str, Any] = {'space': 'nasbench201', 'choices': {}, 'epochs': []}
    record['choices'] = {name: {'candidates': OPS[1:], 'gates': False} for name in names}
    for epoch in range(epochs):
        entry: dict[str, Any] = {'epoch': epoch + 1}
        for key in ('architecture', 'importance', 'accuracy_share', 'live')[
            : 1 if not epoch else 4
        ]:
            values = rng.random((len(names), len(OPS) - 1)).tolist()
            lost = 0.0 if key == 'architecture' else None
            entry[key] = {
                name: [lost] * (epoch - 1 if epoch else 0) + row[max(0, epoch - 1) :]
                for name, row in zip(names, values, strict=True)
            }
        record['epochs'].append(entry)
    return record


def whole_table(path: Path, rng: np.random.Generator) -> dict[tuple[str, ...], float]:
    """Write a table of all cells of four operations; return their accuracies."""
    cells = {ops: float(rng.random() * 100) for ops in itertools.product(OPS[1:], repeat=6)}
    lines = [f'{i},{text_of(ops)},{value}' for i, (ops, value) in enumerate(cells.items())]
    path.write_text('\n'.join(['index,arch,cifar10-test', *lines]) + '\n')
    return cells


def test_a_record_is_compared_with_the_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rng = np.random.default_rng(0)
    cells, record = whole_table(tmp_path / 'table.csv', rng), made_record(rng)
    found = rank_correlations(record, NASBench201Table.load(tmp_path / 'table.csv'), 'cifar10-test')
    assert [set(row) for row in found] == [
        {'epoch', 'architecture'},
        *[{'epoch', 'architecture', 'importance', 'accuracy_share', 'live'}] * 2,
    ]
    for row, entry in zip(found, record['epochs'], strict=True):
        gone = max(0, entry['epoch'] - 2)
        for key in set(row) - {'epoch'}:
            taus = []
            for edge, values in enumerate(entry[key].values()):
                left = OPS[1:][gone:]
                means = [
                    sum(v for ops, v in cells.items() if ops[edge] == op) / 4**5 for op in left
                ]
                taus.append(brute_tau(values[gone:], means))
            assert row[key] == pytest.approx(sum(taus) / 6)
    (tmp_path / 'search.json').write_text(json.dumps(record))
    arguments = ['--record', tmp_path / 'search.json', '--table', tmp_path / 'table.csv']
    assert call('nasbench201.py', *arguments) == 0
    *_, header, _, first, _, last = capsys.readouterr().out.strip().splitlines()
    assert header.replace('|', ' ').split() == ['epoch', 'beta', 'S', 'I', 'Live', 'accuracy']
    assert first.replace('|', ' ').split()[:-1] == ['1', f'{found[0]["architecture"]:.2f}', *'---']
    keys = ('architecture', 'accuracy_share', 'importance', 'live')
    assert last.replace('|', ' ').split()[:-1] == ['3', *(f'{found[2][key]:.2f}' for key in keys)]


def test_a_decided_search_has_no_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole_table(tmp_path / 'table.csv', rng)
    rows = rank_correlations(
        made_record(rng, 5), NASBench201Table.load(tmp_path / 'table.csv'), 'cifar10'
    )
    assert math.isnan(rows[-1]['importance'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'not the record of a search'),
        ('[1]', 'not the record of a search'),
        ('{"space": "nasbench201", "epochs": []}', 'no epochs'),
        (
            '{"space": "darts", "epochs": [{}]}',
            "expected a search in space nasbench201, got 'darts'",
        ),
        (json.dumps(made_record(np.random.default_rng(0))), 'no cell has'),
    ],
)
def test_bad_records_are_refused(
    content: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    small_table(tmp_path / 'table.csv', 1)
    if content is not None:
        (tmp_path / 'search.json').write_text(content)
    arguments = ['--record', tmp_path / 'search.json', '--table', tmp_path / 'table.csv']
    assert call('nasbench201.py', *arguments) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


# -- the tool --------------------------------------------------------------------------------------


class Argmax(SearchAlgorithm):
    """Trains the mixture; there for its super-net."""

    def decide(self, strict: bool) -> Any:
        return {n: (int(p.argmax()),) for n, p in self.arch_parameters().items()}


@pytest.fixture
def search(tmp_path: Path) -> Iterator[tuple[Path, Path, Any]]:
    """Config, checkpoint and algorithm of a tiny super-net with random weights."""
    MODELS.register_module(name='ArgmaxOfTest', module=Argmax)
    config = tmp_path / 'tiny.py'
    config.write_text(
        f"""
_base_ = '{ROOT}/configs/search/ppnas_digits.py'
model = dict(_delete_=True, type='ppnas_mm.ArgmaxOfTest', model=dict(
    type='ImageClassifier',
    backbone=dict(type='ppnas_mm.NASBench201SuperNet', cells_per_stage=1, init_channels=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=16, topk=(1, ),
              loss=dict(type='CrossEntropyLoss'))))
work_dir = '{tmp_path}/work'
train_dataloader = dict(
    batch_size=32, sampler=dict(shuffle=False), dataset=dict(pipeline=[dict(type='PackInputs')]))
"""
    )
    algorithm: Any = Runner.from_cfg(load_config(config)).model
    scramble(algorithm)
    saved = dict(state_dict=algorithm.state_dict(), meta=dict(ppnas_mm=describe(algorithm)))
    torch.save(saved, tmp_path / 'epoch_1.pth')
    yield config, tmp_path / 'epoch_1.pth', algorithm
    del MODELS.module_dict['ArgmaxOfTest']


def test_the_tool_looks_a_cell_up(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = small_table(tmp_path / 'table.csv')
    cell, accuracy = rows[3]
    values = [v for _, v in rows]
    NASBench201Table.decode(cell).save(tmp_path / 'genotype.json')
    assert (
        call('nasbench201.py', tmp_path / 'genotype.json', '--table', tmp_path / 'table.csv') == 0
    )
    title, *_, line = capsys.readouterr().out.strip().splitlines()
    assert title == cell
    rank = 1 + sum(v > accuracy for v in values)
    numbers = [f'{accuracy:.2f}', str(rank), f'{max(values):.2f}', f'{max(values) - accuracy:.2f}']
    assert line.replace('|', ' ').split() == ['cifar10-test', *numbers]


def plain_accuracy(algorithm: Any, runner: Any, cell: str, batches: int) -> float:
    """Of the derived network; batch norms take mean and variance of the first batches, averaged."""
    model: Any = derive_model(algorithm, NASBench201Table.decode(cell))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and batches:
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        model.train()
        for batch in islice(runner.train_dataloader, batches):
            model(**model.data_preprocessor(batch, True), mode='loss')
        model.eval()
        samples = [s for batch in runner.val_dataloader for s in model.val_step(batch)]
    right = sum(int(s.pred_label) == int(s.gt_label) for s in samples)
    return 100 * right / len(samples)


@pytest.mark.parametrize('batches', [0, 2])
def test_the_tool_ranks_cells_by_a_super_net(
    batches: int, search: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, checkpoint, algorithm = search
    runner = Runner.from_cfg(load_config(config))
    truth = dict(small_table(tmp_path / 'table.csv'))
    options = ['--table', tmp_path / 'table.csv', '--cells', 5, '--batches', batches]
    assert call('nasbench201.py', '--super-net', config, checkpoint, *options) == 0
    printed = capsys.readouterr().out
    lines = re.findall(r'^\[\d/5\] (\S+) ([\d.]+) trained ([\d.]+)$', printed, re.MULTILINE)
    assert len({cell for cell, _, _ in lines}) == 5
    for cell, score, trained in lines:
        assert float(trained) == truth[cell]
        expected = plain_accuracy(algorithm, runner, cell, batches)
        assert float(score) == pytest.approx(expected, abs=6e-3)
    scores, trained = ([float(line[i]) for line in lines] for i in (1, 2))
    assert len(set(scores)) > 1
    tau = float(re.findall(r'to cifar10-test of \S+: (-?[\d.]+)', printed)[0])
    assert tau == pytest.approx(brute_tau(scores, trained), abs=6e-4)
    assert f'best by the super-net: {lines[int(np.argmax(scores))][0]}, rank' in printed


def test_cells_are_drawn_once_and_only_if_the_super_net_has_them(search: Any) -> None:
    algorithm, cells = search[2], [text_of(ops) for ops in itertools.product(OPS[:3], repeat=6)]
    table = NASBench201Table({'cifar10-test': [50.0] * len(cells)}, cells)
    drawn = draw_cells(table, algorithm, 50, 0)
    assert drawn == draw_cells(table, algorithm, 50, 0) != draw_cells(table, algorithm, 50, 1)
    net = algorithm.super_net
    whole = [c for c in cells if not net.remarks(net.to_path(NASBench201Table.decode(c)))]
    everything = draw_cells(table, algorithm, len(whole), 0)
    assert sorted(map(NASBench201Table.encode, everything)) == sorted(whole)
    for number in (len(whole) + 1, 1):
        with pytest.raises(TableError, match='cells'):
            draw_cells(table, algorithm, number, 0)
    net.prune('cell/node3/op0', OPS.index('none'))
    for genotype in draw_cells(table, algorithm, 50, 0):
        assert '+|none~0' not in NASBench201Table.encode(genotype).split('+', 1)[1][1:]


def test_the_tool_says_what_is_wrong_in_one_line(
    search: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, checkpoint, _ = search
    small_table(tmp_path / 'table.csv')
    NASBench201Table.decode(text_of(['none'] * 6)).save(tmp_path / 'cell.json')
    table = ['--table', tmp_path / 'table.csv']
    other = ROOT / 'configs/search/ppnas_digits.py'
    for arguments, message in (
        ([tmp_path / 'cell.json', '--table', tmp_path / 'none.csv'], 'no nasbench201 table at'),
        ([tmp_path / 'cell.json', *table], 'unknown cell'),
        ([tmp_path / 'cell.json', *table, '--dataset', 'svhn'], "unknown data set 'svhn'"),
        (['cdarts_cifar10', *table], "expected a nasbench201 genotype, got 'darts'"),
        (table, 'give a genotype, or --super-net'),
        (['--super-net', config, checkpoint, *table, '--batches', -1], 'expected 0 or more'),
        (['--super-net', config, checkpoint, *table, '--cells', 99], 'cells that the super-net'),
        (['--super-net', config, tmp_path / 'no.pth', *table], 'no such file'),
        (['--super-net', other, checkpoint, *table, '--work-dir', tmp_path], 'in space nasbench'),
    ):
        assert call('nasbench201.py', *arguments) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert 'error: ' in error and message in error
