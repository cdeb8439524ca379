"""The table of NAS-Bench-Macro against a plain reader; its costs against our networks."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_tables import cells_of, made_scores, made_table
from tasks import classifier
from tool import ROOT
from torch.utils.flop_counter import FlopCounterMode
from zoo import images

from ppnas_mm import Genotype
from ppnas_mm.costs.counting import flops_table, params_table
from ppnas_mm.genotype import GenotypeError
from ppnas_mm.registry import MODELS
from ppnas_mm.tables import TABLES, NASBenchMacroTable, TableError

FILE = 'nas-bench-macro_cifar10.json.gz'
SHAPE = (3, 32, 32)
DIGITS = {'0': None, '1': (3, 3), '2': (5, 6)}
"""Kernel and expansion of what a digit stands for; ``None``: the identity."""


@cache
def real_file() -> Path:
    """The file of the authors."""
    for folder in ('data/nasbench_macro', '../shared/data/nasbench_macro'):
        if (ROOT / folder / FILE).is_file():
            return ROOT / folder / FILE
    pytest.skip(f'needs {FILE} in data/nasbench_macro')


@cache
def real_rows() -> dict[str, dict[str, Any]]:
    """What the file of the authors says, read plainly."""
    return json.loads(gzip.decompress(real_file().read_bytes()))


def plain_costs(text: str, classes: int = 10) -> tuple[int, int]:
    """Multiply-adds and parameters of a network, by hand."""
    digits, flops, params = iter(text), 0, 0

    def conv(planes: int, out: int, kernel: int, size: int, groups: int = 1) -> None:
        nonlocal flops, params
        weights = kernel * kernel * planes * out // groups
        flops, params = flops + weights * size * size, params + weights + 2 * out

    side, planes = 32, 32
    conv(3, planes, 3, side)
    for out, depth in ((64, 2), (128, 3), (256, 3)):
        for block in range(depth):
            chosen = DIGITS[next(digits)]
            after = side // 2 if block == 0 else side
            if chosen is not None:
                kernel, expansion = chosen
                conv(planes, planes * expansion, 1, side)
                conv(planes * expansion, planes * expansion, kernel, after, planes * expansion)
                conv(planes * expansion, out, 1, after)
            elif block == 0:
                conv(planes, out, 1, after)
            planes, side = out, after
    conv(planes, 1280, 1, side)
    return flops + 1280 * classes, params + 1280 * classes + classes


def model_of(backbone: dict[str, Any]) -> Any:
    """A classifier for ten classes."""
    return MODELS.build(classifier(backbone, classes=10))


# -- the reader ------------------------------------------------------------------------------------


def check_rows(table: NASBenchMacroTable, rows: dict[str, dict[str, Any]]) -> None:
    """The table says what its file says, of every network."""
    assert table.cells == tuple(rows)
    assert table.datasets == ('cifar10-test', *(f'cifar10-test{i}' for i in range(3)))
    means = [row['mean_acc'] for row in rows.values()]
    assert table.accuracies('cifar10').tolist() == means
    for i in range(3):
        assert table.accuracies(f'cifar10-test{i}').tolist() == [
            row['test_acc'][i] for row in rows.values()
        ]
    for unit in ('flops', 'params'):
        assert table.costs[unit].tolist() == [row[unit] for row in rows.values()]
    for cell in list(rows)[::500]:
        value = rows[cell]['mean_acc']
        genotype = NASBenchMacroTable.decode(cell)
        assert genotype in table and table.accuracy(genotype, 'cifar10') == value
        assert table.rank(genotype, 'cifar10-test') == 1 + sum(mean > value for mean in means)
        assert table.regret(genotype, 'cifar10') == max(means) - value
    best = [cell for cell, mean in zip(rows, means, strict=True) if mean == max(means)]
    assert [table.encode(genotype) for genotype in table.best('cifar10')] == best


def test_the_table_says_what_the_file_says() -> None:
    table = NASBenchMacroTable.load(real_file().parent)
    assert len(table) == 3**8 == len(real_rows())
    assert set(table.cells) == set(cells_of('nasbench-macro'))
    check_rows(table, real_rows())


def test_a_plain_file_and_a_folder_are_read() -> None:
    path = Path(made_table('nasbench-macro'))
    scores = made_scores('nasbench-macro')
    for place in (path, path.parent):
        table = NASBenchMacroTable.load(place)
        check_rows(table, json.loads(path.read_text()))
        some = next(iter(scores))
        mean = table.accuracy(NASBenchMacroTable.decode(some), 'cifar10')
        assert mean == pytest.approx(sum(scores[some]) / 3)
    assert TABLES['nasbench-macro'] is NASBenchMacroTable


def test_every_string_comes_back() -> None:
    seen = set()
    for text in cells_of('nasbench-macro'):
        genotype = NASBenchMacroTable.decode(text)
        assert NASBenchMacroTable.encode(genotype) == text
        seen.add(genotype.hash)
    assert len(seen) == 3**8


def test_a_string_names_its_blocks_in_order() -> None:
    found = NASBenchMacroTable.decode('01210022')
    ops = {'0': 'shortcut', '1': 'mbconv_3x3_e3', '2': 'mbconv_5x5_e6'}
    blocks = {c.name: [edges[0].op for edges in c.nodes] for c in found.cells}
    assert blocks == {
        'stage1': [ops[d] for d in '01'],
        'stage2': [ops[d] for d in '210'],
        'stage3': [ops[d] for d in '022'],
    }


MALFORMED = ('', '0', '0120120', '012012012', '01201203', '0120120a', '\u06601201201', ' 01201201',
             '01201201\n', '-1201201')  # fmt: skip


@pytest.mark.parametrize('text', MALFORMED)
def test_malformed_strings_are_refused(text: str) -> None:
    with pytest.raises(GenotypeError, match='expected eight digits of 0, 1, 2'):
        NASBenchMacroTable.decode(text)


def test_networks_of_another_space_or_depth_are_refused() -> None:
    with pytest.raises(GenotypeError, match=r'nasbench-macro.*darts'):
        NASBenchMacroTable.encode(Genotype.load('cdarts_cifar10'))
    data = NASBenchMacroTable.decode('0' * 8).to_dict()
    data['cells'][1]['nodes'].pop()
    with pytest.raises(GenotypeError, match=r'\(2, 2, 3\)'):
        NASBenchMacroTable.encode(Genotype.from_dict(data))


GOOD = dict(test_acc=[80.0, 81.0, 82.0], mean_acc=81.0, std=0.8, params=9, flops=8)


def one(key: str = '01201201', **changes: Any) -> bytes:
    """A file of one network."""
    return json.dumps({key: {**GOOD, **changes}}).encode()


BAD: dict[str, tuple[bytes | None, str]] = {
    'missing': (None, r'no nasbench-macro table at .*xiusu/NAS-Bench-Macro'),
    'empty': (b'', 'not valid JSON'),
    'half a file': (one()[:-5], 'not valid JSON'),
    'a list': (b'[]', 'file: expected an object'),
    'no networks': (b'{}', 'no networks'),
    'seven digits': (one('0120120'), 'eight digits of 0, 1, 2 as the key'),
    'a digit 3': (one('01201203'), 'eight digits of 0, 1, 2 as the key'),
    'other digits': (one('\u06601201201'), 'eight digits of 0, 1, 2 as the key'),
    'twice': (one()[:-1] + b', ' + one()[1:], "a key is given twice: '01201201'"),
    'two accuracies': (one(test_acc=[81.0, 81.0]), r'01201201\.test_acc \(length\): 2'),
    'a wrong mean': (one(mean_acc=81.5), r'01201201\.mean_acc: expected the mean of'),
    'nan': (one(mean_acc=float('nan')), r'01201201\.mean_acc: expected a finite number'),
    'nan of a training': (one(test_acc=[float('nan'), 81.0, 82.0]), r'test_acc\[0\]: expected a'),
    'infinite': (one(flops=float('inf')), r'01201201\.flops: expected a finite number'),
    'below 0': (one(test_acc=[-1.0, 0.0, 1.0], mean_acc=0.0), r'test_acc\[0\]: .*from 0'),
    'above 100': (one(test_acc=[99.0, 99.0, 102.0], mean_acc=100.0), 'expected per cent'),
    'a word': (one(params='many'), r'01201201\.params: expected a finite number'),
    'true': (one(params=True), r'01201201\.params: expected a finite number'),
    'an unknown key': (one(flop=1), "unknown key 'flop'; did you mean 'flops'"),
    'a missing key': (b'{"01201201": {"test_acc": [1, 1, 1]}}', "missing key 'mean_acc'"),
    'not an object': (b'{"01201201": 5}', '01201201: expected an object'),
    'deep': (b'[' * 100_000, 'not valid JSON'),
    'cut gzip': (gzip.compress(one() * 50)[:-12], 'damaged'),
    'no gzip': (b'\x1f\x8b' + b'x' * 50, 'damaged'),
    'binary': (b'{"\xff\xfe": 1}', 'damaged'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_tables_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    path = tmp_path / 'table.json'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        NASBenchMacroTable.load(path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


def test_the_file_that_the_bad_ones_come_from_is_good(tmp_path: Path) -> None:
    (tmp_path / 'table.json').write_bytes(one())
    table = NASBenchMacroTable.load(tmp_path / 'table.json')
    assert table.optimum('cifar10') == 81 and len(table) == 1


# -- costs -----------------------------------------------------------------------------------------


@cache
def cost_tables() -> tuple[Any, Any, Any]:
    """The super-net's choices and its tables of multiply-adds and parameters."""
    model = model_of({'type': 'ppnas_mm.NASBenchMacroSuperNet'})
    return model.backbone, flops_table(model, SHAPE), params_table(model)


def test_costs_of_all_networks_are_those_of_the_file() -> None:
    net, flops, params = cost_tables()
    for text, row in real_rows().items():
        path = {name: (int(digit),) for name, digit in zip(net.choices, text, strict=True)}
        assert (flops(path), params(path)) == (row['flops'], row['params']), text


def test_costs_of_all_networks_are_those_of_a_plain_formula() -> None:
    net, flops, params = cost_tables()
    for text in cells_of('nasbench-macro')[::7]:
        path = {name: (int(digit),) for name, digit in zip(net.choices, text, strict=True)}
        assert (flops(path), params(path)) == plain_costs(text), text


SOME = ['00000000', '11111111', '22222222', '01201201', '21002120', '10221001']


@pytest.mark.parametrize('text', SOME)
def test_derived_networks_cost_what_the_formula_says(text: str) -> None:
    arch = NASBenchMacroTable.decode(text).to_dict()
    model = model_of({'type': 'ppnas_mm.NASBenchMacroNet', 'arch': arch}).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = model(images(1, *SHAPE), mode='tensor')
    assert maps.shape == (1, 10)
    multiply_adds = counter.get_total_flops() // 2
    assert (multiply_adds, sum(p.numel() for p in model.parameters())) == plain_costs(text)


def test_the_largest_network_is_as_large_as_the_benchmark_says() -> None:
    assert plain_costs('2' * 8) == (105_660_928, 2_932_586)


def test_a_stage_begins_with_half_the_resolution() -> None:
    net = MODELS.build(
        {'type': 'ppnas_mm.NASBenchMacroNet', 'arch': NASBenchMacroTable.decode('0' * 8).to_dict()}
    )
    shapes = [tuple(m.shape[1:]) for m in net(images(2, *SHAPE))]
    assert shapes == [(64, 16, 16), (128, 8, 8), (1280, 4, 4)]
    relu = [m for m in net.modules() if isinstance(m, torch.nn.ReLU)]
    assert relu and not [
        m for m in net.modules() if isinstance(m, torch.nn.SiLU | torch.nn.Sigmoid)
    ]


def test_a_shortcut_without_a_new_shape_is_nothing() -> None:
    net, *_ = cost_tables()
    rng = np.random.default_rng(0)
    assert len(net.choices) == 8
    for index, name in enumerate(net.choices):
        entries = cost_tables()[2].entries[name]
        assert (entries[0] == 0) == (index not in (0, 2, 5)), name
        assert entries[0] < entries[1] < entries[2]
    drawn = {net.random_genotype(rng).hash for _ in range(20)}
    assert len(drawn) == 20
