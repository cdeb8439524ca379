"""Measured latencies of cells: the reader, limits against all cells, what searches select."""

import csv
import gzip
import itertools
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nb201 import OPS, text_of
from nb201_table import table_file
from oneshot import batches
from tasks import classifier
from zoo import SPACES

from ppnas_mm import Genotype
from ppnas_mm.algorithms.limited import strongest_within
from ppnas_mm.algorithms.untrained import draw_within
from ppnas_mm.costs.limits import ConstraintError, Limits
from ppnas_mm.genotype import GenotypeError
from ppnas_mm.registry import MODELS
from ppnas_mm.tables import LatencyTable, NASBench201Table, TableError

TWO = ('skip_connect', 'nor_conv_3x3')
NET = {**SPACES['nasbench201'], 'ops': TWO}
"""A space of 64 cells."""


def made(path: Path, ops: tuple[str, ...] = TWO, seed: int = 0) -> dict[str, float]:
    """Write latencies of all cells of some operations on two devices; return those of ``slow``."""
    rng = np.random.default_rng(seed)
    cells = {text_of(c): float(rng.uniform(5, 50)) for c in itertools.product(ops, repeat=6)}
    lines = [f'{cell},{value / 100},{value!r}' for cell, value in cells.items()]
    path.write_text('\n'.join(['arch,fast,slow', *lines]) + '\n')
    return cells


def cell_of(path: Any, ops: tuple[str, ...] = TWO) -> str:
    """The string of a path, by its choices in order."""
    return text_of([ops[i] for (i,) in path.values()])


def limits_of(model: Any, file: Path, bound: Any, device: str = 'slow') -> Limits:
    """Limits on the latency of a table."""
    return Limits(model, latency_table=str(file), device=device, latency=bound)


def everything(net: Any) -> list[dict[str, tuple[int, ...]]]:
    """All paths."""
    kept = itertools.product(*(range(len(c.candidates)) for c in net.choices.values()))
    return [dict(zip(net.choices, ((i,) for i in one), strict=True)) for one in kept]


# -- the reader ------------------------------------------------------------------------------------


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    cells = made(tmp_path / 'help_latency.csv')
    text = (tmp_path / 'help_latency.csv').read_bytes()
    (tmp_path / 'help_latency.csv').write_bytes(b'\xef\xbb\xbf' + text)
    assert LatencyTable.load(tmp_path, 'slow').milliseconds == cells


def test_the_column_of_a_device_is_read(tmp_path: Path) -> None:
    cells = made(tmp_path / 'help_latency.csv')
    packed = tmp_path / 'packed.csv'
    packed.write_bytes(gzip.compress((tmp_path / 'help_latency.csv').read_bytes()))
    for place in (tmp_path, tmp_path / 'help_latency.csv', packed):
        for device, share in (('slow', 1), ('fast', 100)):
            table = LatencyTable.load(place, device)
            assert len(table) == 64 and table.device == device and table.space == 'nasbench201'
            for cell, value in cells.items():
                genotype = NASBench201Table.decode(cell)
                assert table(genotype) == pytest.approx(value / share, rel=1e-12)


def test_real_latencies_are_those_of_the_file() -> None:
    path = table_file('help_latency.csv.gz')
    with gzip.open(path, 'rt') as file:
        rows = list(csv.DictReader(file))
    assert {row['arch'] for row in rows} == {
        text_of(ops) for ops in itertools.product(OPS, repeat=6)
    }
    for device in ('raspi4', '1080ti_32'):
        table = LatencyTable.load(path, device)
        assert len(table) == len(rows) == 5**6
        for row in rows[::1000]:
            assert table(NASBench201Table.decode(row['arch'])) == float(row[device])


@pytest.mark.parametrize(
    ('device', 'message'),
    [
        ('slwo', "unknown device 'slwo'; did you mean 'slow'?"),
        ('a fridge', "unknown device 'a fridge'; known: fast, slow"),
        ('arch', "unknown device 'arch'"),
        ('', "unknown device ''"),
    ],
)
def test_an_unknown_device_is_named(device: str, message: str, tmp_path: Path) -> None:
    made(tmp_path / 'table.csv')
    with pytest.raises(TableError) as error:
        LatencyTable.load(tmp_path / 'table.csv', device)
    assert message in str(error.value) and str(tmp_path / 'table.csv') in str(error.value)


CELL = text_of([TWO[0]] * 6)
HEAD = 'arch,fast,slow\n'
BAD: dict[str, tuple[bytes | None, str]] = {
    'missing': (None, 'no table of latencies at'),
    'empty': (b'', 'expected a column arch'),
    'no cells': (HEAD.encode(), 'no cells'),
    'another kind': (b'a,slow\n1,2\n', 'expected a column arch'),
    'a short line': (f'{HEAD}{CELL},5\n'.encode(), 'line 2 is not a cell and its latencies'),
    'a word': (f'{HEAD}{CELL},5,quick\n'.encode(), 'line 2 is not'),
    'nan': (f'{HEAD}{CELL},5,nan\n'.encode(), 'line 2 is not'),
    'infinite': (f'{HEAD}{CELL},5,inf\n'.encode(), 'line 2 is not'),
    'zero': (f'{HEAD}{CELL},5,0\n'.encode(), 'line 2 is not'),
    'negative': (f'{HEAD}{CELL},5,-3\n'.encode(), 'line 2 is not'),
    'no cell': (f'{HEAD},5,3\n'.encode(), 'line 2 is not'),
    'twice': (f'{HEAD}{CELL},5,3\n{CELL},5,4\n'.encode(), 'line 3 is not'),
    'cut gzip': (gzip.compress((HEAD + f'{CELL},5,3\n' * 99).encode())[:-12], 'damaged'),
    'no gzip': (b'\x1f\x8b' + b'x' * 50, 'damaged'),
    'binary': (HEAD.encode() + b'\xff\xfe,1,1\n', 'damaged'),
}


@pytest.mark.parametrize('case', BAD)
def test_damaged_files_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    path = tmp_path / 'table.csv'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        LatencyTable.load(path, 'slow')
    assert str(path) in str(error.value)


def test_unknown_cells_and_spaces_are_refused(tmp_path: Path) -> None:
    made(tmp_path / 'table.csv')
    table = LatencyTable.load(tmp_path / 'table.csv', 'slow')
    with pytest.raises(TableError, match=r'table\.csv: unknown cell \|none~0\|'):
        table(NASBench201Table.decode(text_of(['none'] * 6)))
    with pytest.raises(GenotypeError, match="got 'darts'"):
        table(Genotype.load('cdarts_cifar10'))


# -- limits ----------------------------------------------------------------------------------------


def test_limits_are_those_of_all_cells(tmp_path: Path) -> None:
    cells = made(tmp_path / 'table.csv')
    model = MODELS.build(classifier(NET))
    rng = np.random.default_rng(1)
    costs = sorted(cells.values())
    for bound in (costs[20], (costs[20], costs[40]), (costs[40], None)):
        limits = limits_of(model, tmp_path / 'table.csv', bound)
        low, high = bound if isinstance(bound, tuple) else (None, bound)
        low, high = low or 0.0, high or math.inf
        for path in everything(model.backbone):
            cost = cells[cell_of(path)]
            assert limits.ok(path) == (low <= cost <= high)
            assert limits.below(path) == (cost <= high)
            assert limits.costs(path) == {'latency': pytest.approx(cost, abs=1e-6)}
        assert limits.caps() == []
        for _ in range(40):
            alive = {n: tuple(np.flatnonzero(rng.random(2) < 0.5)) or (0,)
                     for n in model.backbone.choices}  # fmt: skip
            left = [
                cells[text_of([TWO[i] for i in kept])]
                for kept in itertools.product(*alive.values())
            ]
            expected = min(left) <= high and max(left) >= low
            assert limits.reachable(alive) == expected
            if expected:
                limits.check(alive)
            else:
                with pytest.raises(ConstraintError, match='architectures of the space cost'):
                    limits.check(alive)


def test_a_limit_below_all_cells_is_refused(tmp_path: Path) -> None:
    cells = made(tmp_path / 'table.csv')
    given = dict(type='ppnas_mm.SPOS', model=classifier(NET))
    limits = dict(latency_table=str(tmp_path / 'table.csv'), device='slow')
    with pytest.raises(ConstraintError, match='latency'):
        MODELS.build({**given, 'limits': {**limits, 'latency': min(cells.values()) - 0.01}})
    MODELS.build({**given, 'limits': {**limits, 'latency': min(cells.values())}})


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'table.csv'
    cells = made(file)
    with pytest.raises(TableError, match=r"a table of 'nasbench201'; .* searches 'mobile'"):
        limits_of(MODELS.build(classifier(SPACES['mobile'])), file, 9)
    with pytest.raises(TableError, match='unknown cell'):  # the super-net has more operations
        limits_of(MODELS.build(classifier(SPACES['nasbench201'])), file, 9)
    model = MODELS.build(classifier(NET))
    with pytest.raises(ValueError, match='with latency_table'):
        Limits(model, device='slow', latency=9)
    table = limits_of(model, file, max(cells.values())).tables['latency']
    part = dict(list(everything(model.backbone)[0].items())[:-1])
    with pytest.raises(TableError, match='no latency of'):
        table(part)


def test_a_latency_and_parameters_bound_each_other(tmp_path: Path) -> None:
    cells = made(tmp_path / 'table.csv')
    model = MODELS.build(classifier(NET))
    half = float(np.median(list(cells.values())))
    given = dict(latency_table=str(tmp_path / 'table.csv'), device='slow', latency=half)
    sizes = Limits(model, params=1e12).tables['params']
    most = float(np.median([sizes(path) for path in everything(model.backbone)]))
    limits = Limits(model, **given, params=most)
    found = [limits.ok(path) for path in everything(model.backbone)]
    assert found == [
        cells[cell_of(path)] <= half and sizes(path) <= most for path in everything(model.backbone)
    ]
    assert any(found) and not all(found)
    assert len(limits.caps()) == 1  # only costs that add up have a cap


def test_few_cells_within_a_limit_are_listed(tmp_path: Path, monkeypatch: Any) -> None:
    """Draws hardly find one of them, which the table lists."""
    cells = made(tmp_path / 'table.csv')
    model = MODELS.build(classifier(NET))
    slowest, *_, second, fastest = sorted(cells, key=cells.__getitem__, reverse=True)
    worst = NASBench201Table.decode(slowest)
    monkeypatch.setattr(model.backbone, 'random_genotype', lambda *_: worst)
    limits = limits_of(model, tmp_path / 'table.csv', cells[second])
    rng = np.random.default_rng(0)
    found = {cell_of(draw_within(model.backbone, rng, limits)) for _ in range(20)}
    assert found == {fastest, second}
    nothing = limits_of(model, tmp_path / 'table.csv', (cells[second] + 1e-9, cells[second] + 2e-9))
    with pytest.raises(ConstraintError, match='none of 10,000 draws'):
        draw_within(model.backbone, rng, nothing)


@pytest.mark.parametrize('device', ['slow', 4])
def test_a_table_needs_its_device_and_a_device_its_table(device: Any, tmp_path: Path) -> None:
    made(tmp_path / 'table.csv')
    model = MODELS.build(classifier(NET))
    given = {} if device == 'slow' else {'latency_table': str(tmp_path / 'table.csv')}
    with pytest.raises(ValueError, match=rf'limits.device={device!r}: .*with latency_table'):
        Limits(model, device=device, **given)
    with pytest.raises(ValueError, match=r'table\.csv.*needs device'):
        Limits(model, latency_table=str(tmp_path / 'table.csv'), latency=9)


# -- what is selected ------------------------------------------------------------------------------


@pytest.mark.parametrize('seed', range(4))
def test_the_strongest_within_is_that_of_all_cells(seed: int, tmp_path: Path) -> None:
    cells = made(tmp_path / 'table.csv', seed=seed)
    model = MODELS.build(classifier(NET))
    net, generator = model.backbone, torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.arch_parameters().values():
            parameter.copy_(torch.randn(2, generator=generator))

    def strength(path: Any) -> float:
        found = 1.0
        for name, (i,) in path.items():
            e = [math.exp(float(value)) for value in net.arch[name]]
            found *= e[i] / sum(e)
        return found

    ordered = sorted(cells.values())
    for bound in (ordered[3], ordered[30], (ordered[50], None), (ordered[10], ordered[14])):
        limits = limits_of(model, tmp_path / 'table.csv', bound)
        low, high = bound if isinstance(bound, tuple) else (None, bound)
        inside = [path for path in everything(net)
                  if (low or 0) <= cells[cell_of(path)] <= (high or math.inf)]  # fmt: skip
        found = strongest_within(net, limits)
        assert found == max(inside, key=strength)
    nothing = (ordered[10] + 1e-9, ordered[11] - 1e-9)
    with pytest.raises(ConstraintError, match='no architecture within them was found'):
        strongest_within(net, limits_of(model, tmp_path / 'table.csv', nothing))


@pytest.mark.parametrize('enumerate_up_to', [1000, 1], ids=['enumeration', 'evolution'])
def test_spos_selects_the_best_cell_within_the_limit(enumerate_up_to: int, tmp_path: Path) -> None:
    cells = made(tmp_path / 'table.csv', seed=2)
    rng = np.random.default_rng(3)
    truth = {cell: float(rng.random()) for cell in cells}
    bound = sorted(cells.values())[25]
    torch.manual_seed(0)
    algorithm = MODELS.build(
        dict(
            type='ppnas_mm.SPOS',
            model=classifier(NET),
            seed=0,
            recalibrate_batches=0,
            selection=dict(enumerate_up_to=enumerate_up_to, population=20, generations=20,
                           crossover=8, mutation=8),
            limits=dict(latency_table=str(tmp_path / 'table.csv'), device='slow', latency=bound),
        )
    )  # fmt: skip
    algorithm.attach({'train': batches(1), 'val': batches(51)}, 1)
    algorithm.recalibrated_accuracy = lambda path, *_: truth[cell_of(path)]
    algorithm.select()
    inside = [cell for cell, cost in cells.items() if cost <= bound]
    assert len(inside) == 26
    best = max(inside, key=truth.__getitem__)
    assert NASBench201Table.encode(algorithm.derive()) == best
    seen = [cell_of(entry.path) for entry in algorithm.result.evaluated]
    assert len(seen) == len(set(seen)) and set(seen) <= set(inside)
    if enumerate_up_to > 64:
        assert set(seen) == set(inside)


@cache
def real_rows() -> tuple[dict[str, float], dict[str, float]]:
    """Latencies on raspi4, and accuracies on CIFAR-100, of all cells."""
    with gzip.open(table_file('help_latency.csv.gz'), 'rt') as file:
        costs = {row['arch']: float(row['raspi4']) for row in csv.DictReader(file)}
    with gzip.open(table_file('nats_bench_tss_200ep.csv.gz'), 'rt') as file:
        truth = {row['ArchitectureString']: float(row['CIFAR100TestAccuracy200Epochs'])
                 for row in csv.DictReader(file)}  # fmt: skip
    return costs, truth


def test_the_strongest_cell_below_20_ms_on_a_raspberry_pi() -> None:
    """Alpha as the best cell's accuracy would have it cannot buy latency: brute force over all."""
    costs, truth = real_rows()
    model = MODELS.build(classifier({**SPACES['nasbench201'], 'ops': OPS}))
    net = model.backbone
    best = max((c for c in truth if costs[c] <= 20), key=truth.__getitem__)
    assert truth[best] < max(truth.values())
    limits = Limits(
        model, latency_table=str(table_file('help_latency.csv.gz')), device='raspi4', latency=20
    )
    with torch.no_grad():
        for name, parameter in net.arch_parameters().items():
            parameter.zero_()
            parameter[net.choices[name].candidates.index('nor_conv_3x3')] = 2.0
            parameter[net.choices[name].candidates.index('nor_conv_1x1')] = 1.0
    found = strongest_within(net, limits)
    score = {'nor_conv_3x3': 2.0, 'nor_conv_1x1': 1.0}

    def strength(cell: str) -> float:
        ops = [edge.split('~')[0] for edge in cell.replace('+', '').split('|') if edge]
        return sum(score.get(op, 0.0) for op in ops)

    inside = [cell for cell, cost in costs.items() if cost <= 20]
    assert 0 < len(inside) < len(costs)
    cell = NASBench201Table.encode(net.to_genotype(found))
    assert cell in inside and strength(cell) == max(map(strength, inside)) < 12


def test_the_best_cell_below_20_ms_on_a_raspberry_pi() -> None:
    """SPOS with the table's accuracies as its own finds the best of all cells within the limit."""
    costs, truth = real_rows()
    algorithm = MODELS.build(
        dict(
            type='ppnas_mm.SPOS',
            model=classifier({**SPACES['nasbench201'], 'ops': OPS}),
            seed=0,
            selection=dict(enumerate_up_to=20_000),
            limits=dict(
                latency_table=str(table_file('help_latency.csv.gz')), device='raspi4', latency=20
            ),
        )
    )
    algorithm.attach({'train': batches(1), 'val': batches(51)}, 1)
    net = algorithm.super_net
    algorithm.recalibrated_accuracy = lambda path, *_: truth[
        NASBench201Table.encode(net.to_genotype(path))
    ]
    algorithm.select()
    best = max((c for c in truth if costs[c] <= 20), key=truth.__getitem__)
    found = NASBench201Table.encode(algorithm.derive())
    assert (costs[found] <= 20, truth[found]) == (True, truth[best])
