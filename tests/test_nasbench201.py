"""NAS-Bench-201: macro, cells and mixture against plain formulas; the tables, ranks and tool."""

import csv
import gzip
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain import State, double_state
from tool import ROOT, call
from torch import Tensor, nn
from torch.nn.functional import conv2d
from zoo import images, scramble

from ppnas_mm import Genotype
from ppnas_mm.algorithms.base import SearchAlgorithm
from ppnas_mm.backbones import NASBench201Net
from ppnas_mm.derive import derive_model
from ppnas_mm.genotype import DegenerateArchitectureError, GenotypeError
from ppnas_mm.nasbench201 import (
    Table,
    TableError,
    arch_string,
    draw_cells,
    from_arch_string,
    kendall_tau,
)
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed, NASBench201SuperNet
from ppnas_mm.weights import describe

EDGES = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
OPS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')
MIXED = '|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|'
BEST_CIFAR100 = '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|'


def text_of(ops: Any) -> str:
    """The benchmark's string of six operations, in the order of :data:`EDGES`."""
    a, b, c, d, e, f = ops
    return f'|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|'


# -- plain formulas --------------------------------------------------------------------------------


def norm(state: State, key: str, x: Tensor) -> Tensor:
    mean, variance = (state[f'{key}.running_{n}'].reshape(1, -1, 1, 1) for n in ('mean', 'var'))
    x = (x - mean) / (variance + 1e-5).sqrt()
    if f'{key}.weight' not in state:
        return x
    gamma, beta = (state[f'{key}.{n}'].reshape(1, -1, 1, 1) for n in ('weight', 'bias'))
    return x * gamma + beta


def unit(state: State, key: str, x: Tensor, stride: int = 1) -> Tensor:
    """ReLU, convolution, batch norm."""
    weight = state[f'{key}.conv.weight']
    y = conv2d(x * (x > 0), weight, None, stride, weight.shape[-1] // 2)
    return norm(state, f'{key}.bn', y)


def windows(x: Tensor, before: int, after: int, step: int) -> Tensor:
    """Mean over the pixels that exist from ``before`` to ``after`` of every ``step``-th pixel."""
    height, width = x.shape[-2:]
    rows = [
        [
            x[..., max(i - before, 0) : i + after + 1, max(j - before, 0) : j + after + 1].mean(
                (2, 3)
            )
            for j in range(0, width, step)
        ]
        for i in range(0, height, step)
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def operation(state: State, key: str, op: str, x: Tensor) -> Tensor:
    if op == 'none':
        return torch.zeros_like(x)
    if op == 'skip_connect':
        return x
    return windows(x, 1, 1, 1) if op == 'avg_pool_3x3' else unit(state, key, x)


def derived_cell(state: State, key: str, x: Tensor, ops: list[str]) -> Tensor:
    nodes: list[Any] = [x, 0, 0, 0]
    for op, (node, source) in zip(ops, EDGES, strict=True):
        place = f'{key}.dag.nodes.{node - 1}.{source}'  # edge k of a node reads node k
        nodes[node] = nodes[node] + operation(state, place, op, nodes[source])
    return nodes[3]


def mixed_cell(state: State, key: str, x: Tensor, logits: dict, ops: tuple[str, ...]) -> Tensor:
    nodes: list[Any] = [x, 0, 0, 0]
    for node, source in EDGES:
        alpha = logits[f'cell/node{node}/op{source}']
        total = sum(alpha.exp())
        for op, value in zip(ops, alpha, strict=True):
            place = f'{key}.dag.nodes.{node - 1}.{source}.{op}'
            y = operation(state, place, op, nodes[source])
            nodes[node] = nodes[node] + value.exp() / total * y
    return nodes[3]


def network(
    state: State, x: Tensor, cells: int, last_act: bool, cell: Callable[[str, Tensor], Tensor]
) -> list[Tensor]:
    """Maps of the three stages."""
    x = norm(state, 'stem.0.bn', conv2d(x, state['stem.0.conv.weight'], None, 1, 1))
    maps = []
    for stage in ('layer1', 'layer2', 'layer3'):
        first = 0
        if stage != 'layer1':
            y = unit(state, f'{stage}.0.conv2', unit(state, f'{stage}.0.conv1', x, stride=2))
            x = conv2d(windows(x, 0, 1, 2), state[f'{stage}.0.shortcut.1.weight']) + y
            first = 1
        for i in range(first, first + cells):
            x = cell(f'{stage}.{i}', x)
        if stage == 'layer3' and last_act:
            x = norm(state, f'layer3.{cells + 1}.0', x)
            x = x * (x > 0)
        maps.append(x)
    return maps


# -- networks --------------------------------------------------------------------------------------


def size_and_cost(cell: str, classes: int = 10) -> tuple[int, int]:
    """Parameters, and multiply-adds on 32x32 pixels, with a linear classifier."""
    net = NASBench201Net(from_arch_string(cell).to_dict())
    cost = []

    def count(module: nn.Conv2d, _: Any, y: Tensor) -> None:
        cost.append(module.weight.numel() * y.shape[2] * y.shape[3])

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    (*_, y) = net.eval()(images(1, 3, 32, 32))
    assert y.shape == (1, 64, 8, 8)
    head = 65 * classes
    return sum(p.numel() for p in net.parameters()) + head, sum(cost) + head


def test_size_and_cost_are_those_of_the_benchmark() -> None:
    """The least and largest parameters and FLOPs that NAS-Bench-201 prints for CIFAR-10, -100."""
    assert size_and_cost(text_of(['none'] * 6)) == (73_306, 7_783_050)
    assert size_and_cost(text_of(['nor_conv_3x3'] * 6)) == (1_531_546, 220_119_690)
    assert size_and_cost(text_of(['none'] * 6), 100) == (79_156, 7_788_900)
    # 1.073 M and 153.27 M, four 3x3 and one 1x1: both optima of CIFAR-10
    for spot in (4, 5):
        ops = ['nor_conv_3x3'] * 6
        ops[3], ops[spot] = 'skip_connect', 'nor_conv_1x1'
        assert size_and_cost(text_of(ops)) == (1_073_466, 153_272_970)


@pytest.mark.parametrize('cell', [MIXED, BEST_CIFAR100, text_of([*OPS, 'none'])])
def test_parameters_follow_the_formula(cell: str) -> None:
    def conv(kernel: int, a: int, b: int) -> int:
        return kernel * kernel * a * b + 2 * b

    expected = conv(3, 3, 16) + 2 * 64 + 650
    for c in (16, 32, 64):
        expected += 5 * (
            cell.count('nor_conv_3x3') * conv(3, c, c) + cell.count('nor_conv_1x1') * conv(1, c, c)
        )
        if c > 16:
            expected += conv(3, c // 2, c) + conv(3, c, c) + c // 2 * c
    assert size_and_cost(cell)[0] == expected


@pytest.mark.parametrize('last_act', [True, False])
@pytest.mark.parametrize('affine', [True, False])
def test_derived_network_is_the_plain_formula(last_act: bool, affine: bool) -> None:
    options: Any = dict(cells_per_stage=2, init_channels=4, last_act=last_act)
    options['norm_cfg'] = dict(type='BN', affine=affine)
    x = images(2, 3, 9, 11, dtype=torch.float64)
    for ops in (re.findall(r'\|(\w+)~', MIXED), ['avg_pool_3x3'] * 6, [*OPS[1:], *OPS[2:4]]):
        arch = from_arch_string(text_of(ops))
        net = scramble(NASBench201Net(arch, **options)).double().eval()
        state = double_state(net)
        expected = network(state, x, 2, last_act, lambda k, y, o=ops: derived_cell(state, k, y, o))
        torch.testing.assert_close(list(net(x)), expected, rtol=1e-9, atol=1e-9)
        # outside of the cells all norms learn
        learned = {k.rsplit('.', 1)[0] for k in state if k.endswith(('bn.weight', '.0.weight'))}
        assert {'stem.0.bn', 'layer2.0.conv1.bn', 'layer3.0.conv2.bn'} <= learned
        assert ('layer3.3.0' in learned) == last_act
        assert any('.dag.' in k for k in learned) == (affine and 'nor_conv' in text_of(ops))


def test_mixed_network_is_the_plain_formula_with_its_gradients() -> None:
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4)
    assert net.ops_of(1) == OPS if hasattr(net, 'ops_of') else True
    scramble(net).double().eval()
    generator = torch.Generator().manual_seed(4)
    for parameter in net.arch_parameters().values():
        assert len(parameter) == 5
        parameter.data = torch.randn(5, generator=generator, dtype=torch.float64)
    logits = {n: p.detach().clone().requires_grad_() for n, p in net.arch_parameters().items()}
    assert list(logits) == [f'cell/node{node}/op{source}' for node, source in EDGES]
    state = double_state(net)
    assert not [k for k in state if '.dag.' in k and k.endswith('bn.weight')]
    x = images(2, 3, 8, 8, dtype=torch.float64)
    expected = network(state, x, 1, True, lambda k, y: mixed_cell(state, k, y, logits, OPS))
    maps = net(x)
    torch.testing.assert_close(list(maps), expected, rtol=1e-9, atol=1e-9)
    for outputs in (maps, expected):
        sum((m * m).mean() for m in outputs).backward()
    for name, parameter in net.arch_parameters().items():
        torch.testing.assert_close(parameter.grad, logits[name].grad, rtol=1e-8, atol=1e-10)


def test_choices_and_blocks() -> None:
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4, last_act=False)
    assert all(c.candidates == OPS and not c.gates for c in net.choices.values())
    assert net.stem_blocks == ['stem'] and net.reduction_blocks == ['layer2.0', 'layer3.0']
    assert len(net.layer3) == 2
    for name in net.choices:
        assert net.keepable(name) == (0, 1, 2, 3, 4)
    for options in (dict(ops=('none',)), dict(ops=('max_pool_3x3',)), dict(cells_per_stage=0)):
        with pytest.raises(ValueError, match=r'ops=|cells_per_stage=0'):
            NASBench201SuperNet(**options)
    with pytest.raises(GenotypeError, match='NASBench201Net needs a nasbench201 genotype'):
        NASBench201Net('cdarts_cifar10')


def test_degenerate_are_the_cells_that_ignore_their_input() -> None:
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4).eval()
    x = images(2, 3, 8, 8)
    count = 0
    for mask in itertools.product((0, 1), repeat=6):
        path = {name: (i,) for name, i in zip(net.choices, mask, strict=True)}
        net.mixture = Fixed(path)
        with torch.no_grad():
            cell = net.layer1[0](x.repeat(1, 2, 1, 1)[:, :4], _edges(net))
        assert bool(net.degeneracies(path)) == bool((cell == 0).all())
        count += bool(net.degeneracies(path))
    assert 0 < count < 64
    with pytest.raises(DegenerateArchitectureError, match="'none' cuts every way"):
        net.check({name: (0,) for name in net.choices})


def _edges(net: Any) -> Any:
    return {
        (choice.node, choice.source): ((choice.candidates[net.mixture.path[name][0]],), None)
        for name, choice in net.choices.items()
    }


def test_drop_path_drops_edges_but_not_skips() -> None:
    skips, convs = (
        NASBench201Net(
            from_arch_string(text_of([op] * 6)), cells_per_stage=1, init_channels=4,
            drop_path_rate=0.99,
        )
        for op in ('skip_connect', 'nor_conv_1x1')
    )  # fmt: skip
    x = torch.ones(4, 4, 5, 5)
    assert torch.equal(skips.layer1[0](x), 4 * x)  # four ways lead through the cell
    assert (convs.train().layer1[0](x) == 0).all()


# -- tables ----------------------------------------------------------------------------------------


def table_file(name: str) -> Path:
    for folder in (ROOT / 'data/nasbench201', ROOT.parent / 'shared/data/nasbench201'):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f'needs {name} in data/nasbench201')


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, 'rt') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('name', ['nats_bench_tss_200ep.csv.gz', 'nb201_12epoch_accs.csv.gz'])
def test_tables_say_what_their_lines_say(name: str) -> None:
    path = table_file(name)
    table, rows = Table.load(path), rows_of(path)
    assert len(table) == len(rows) == 5**6
    assert set(table.cells) == {text_of(ops) for ops in itertools.product(OPS, repeat=6)}
    columns = [c for c in rows[0] if c.lower().startswith(('cifar', 'imagenet'))]
    assert len(table.datasets) == len(columns) == (3 if '200ep' in name else 6)
    key = 'arch' if 'arch' in rows[0] else 'ArchitectureString'
    picked = np.random.default_rng(0).integers(len(rows), size=25)
    for column, dataset in zip(columns, table.datasets, strict=True):
        values = [float(row[column]) for row in rows]
        assert table.optimum(dataset) == max(values)
        for i in picked:
            genotype = from_arch_string(rows[i][key])
            assert genotype in table
            assert table.accuracy(genotype, dataset) == values[i]
            assert table.rank(genotype, dataset) == 1 + sum(v > values[i] for v in values)
            assert table.regret(genotype, dataset) == max(values) - values[i]
        assert {table.rank(g, dataset) for g in table.best(dataset)} == {1}
        assert len(table.best(dataset)) == values.count(max(values))


def test_published_optima() -> None:
    """CDARTS, table 7, last line: the optimal cells."""
    table = Table.load(table_file('nats_bench_tss_200ep.csv.gz'))
    optima = {'cifar10': 94.37, 'cifar100': 73.51, 'imagenet16': 47.31}
    assert {name: round(table.optimum(name), 2) for name in optima} == optima
    assert [arch_string(g) for g in table.best('cifar100')] == [BEST_CIFAR100]


def small_table(path: Path, number: int = 12) -> list[tuple[str, float]]:
    """Write a table of ``number`` random cells, some of equal accuracy."""
    rng = np.random.default_rng(1)
    cells = [text_of(rng.choice(OPS[1:], 6)) for _ in range(number)]
    rows = [(cell, float(rng.integers(10, 20))) for cell in dict.fromkeys(cells)]
    lines = ['index,arch,cifar10-test', *(f'{i},{c},{v}' for i, (c, v) in enumerate(rows))]
    path.write_text('\n'.join(lines) + '\n')
    return rows


def test_a_plain_file_and_a_folder_are_read(tmp_path: Path) -> None:
    rows = small_table(tmp_path / 'nb201_12epoch_accs.csv')
    for path in (tmp_path, tmp_path / 'nb201_12epoch_accs.csv'):
        table = Table.load(path)
        assert table.datasets == ('cifar10-test',)
        assert [(c, table.accuracy(from_arch_string(c), 'cifar10')) for c in table.cells] == rows


def brute_tau(a: list[float], b: list[float]) -> float:
    agree = first = second = 0
    for i, j in itertools.combinations(range(len(a)), 2):
        u, v = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
        agree, first, second = agree + u * v, first + abs(u), second + abs(v)
    return agree / math.sqrt(first * second)


def test_kendall_tau_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 9, (2, 20)).astype(float).tolist()
        assert kendall_tau(a, b) == pytest.approx(brute_tau(a, b))
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


HEADER = 'index,arch,cifar10-test\n'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'no NAS-Bench-201 table at .*nats_bench_tss_200ep\.csv\[\.gz\] \(nats_bench\.csv'),
        (b'', 'unknown columns'),
        (b'a,b\n1,2\n', r"unknown columns \['a', 'b'\]; expected ArchitectureString"),
        (b'arch\n|none~0|\n', 'unknown columns'),
        (HEADER.encode(), 'no cells'),
        (f'{HEADER}0,{MIXED}\n'.encode(), 'line 2 is not a cell'),
        (f'{HEADER}0,{MIXED},good\n'.encode(), 'line 2 is not'),
        (f'{HEADER}0,{MIXED},nan\n'.encode(), 'line 2 is not'),
        (f'{HEADER}0,{MIXED},50\n1,{MIXED},60\n'.encode(), 'listed twice'),
        (gzip.compress(HEADER.encode() * 99)[:-12], 'damaged'),
        (b'\x1f\x8b' + b'x' * 50, 'damaged'),
        (b'arch,cifar10-test\n\xff\xfe,1\n', 'damaged'),
    ],
)
def test_bad_tables_are_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'table.csv'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        Table.load(path)


def test_unknown_cells_and_data_sets(tmp_path: Path) -> None:
    small_table(tmp_path / 'table.csv')
    table = Table.load(tmp_path / 'table.csv')
    unknown = from_arch_string(text_of(['none'] * 6))
    assert unknown not in table
    with pytest.raises(TableError, match=r'unknown cell \|none~0\|'):
        table.accuracy(unknown, 'cifar10')
    with pytest.raises(TableError, match=r"'svhn'; known: \['cifar10-test'\]"):
        table.optimum('svhn')
    with pytest.raises(GenotypeError, match="got 'darts'"):
        table.rank(Genotype.load('cdarts_cifar10'), 'cifar10')
    for text in ('', '|none~0', 'none~0', '|none~1|', '|sum~0|', '|none~0|+|none~0|'):
        with pytest.raises(GenotypeError):
            from_arch_string(text)
