"""The tables of NAS-Bench-201 against a plain reader."""

import csv
import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from nb201 import MIXED, OPS, text_of
from nb201_table import small_table, table_file

from ppnas_mm import Genotype
from ppnas_mm.genotype import GenotypeError
from ppnas_mm.tables import NASBench201Table, TableError

BEST_CIFAR100 = text_of([*['nor_conv_3x3'] * 3, 'skip_connect', *['nor_conv_3x3'] * 2])


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, 'rt') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('name', ['nats_bench_tss_200ep.csv.gz', 'nb201_12epoch_accs.csv.gz'])
def test_tables_say_what_their_lines_say(name: str) -> None:
    path = table_file(name)
    table, rows = NASBench201Table.load(path), rows_of(path)
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
            genotype = NASBench201Table.decode(rows[i][key])
            assert genotype in table
            assert table.accuracy(genotype, dataset) == values[i]
            assert table.rank(genotype, dataset) == 1 + sum(v > values[i] for v in values)
            assert table.regret(genotype, dataset) == max(values) - values[i]
        assert {table.rank(g, dataset) for g in table.best(dataset)} == {1}
        assert len(table.best(dataset)) == values.count(max(values))


def test_published_optima() -> None:
    """The accuracies of the optimal cells, as papers on NAS-Bench-201 print them."""
    table = NASBench201Table.load(table_file('nats_bench_tss_200ep.csv.gz'))
    optima = {'cifar10': 94.37, 'cifar100': 73.51, 'imagenet16': 47.31}
    assert {name: round(table.optimum(name), 2) for name in optima} == optima
    assert [NASBench201Table.encode(g) for g in table.best('cifar100')] == [BEST_CIFAR100]


def test_a_plain_file_and_a_folder_are_read(tmp_path: Path) -> None:
    rows = small_table(tmp_path / 'nb201_12epoch_accs.csv')
    for path in (tmp_path, tmp_path / 'nb201_12epoch_accs.csv'):
        table = NASBench201Table.load(path)
        assert table.datasets == ('cifar10-test',)
        assert [
            (c, table.accuracy(NASBench201Table.decode(c), 'cifar10')) for c in table.cells
        ] == rows


HEADER = 'index,arch,cifar10-test\n'


ROWS = ''.join(f'{i},{text_of(ops)},50\n' for i, ops in enumerate(itertools.product(OPS, repeat=6)))


BAD: dict[str, tuple[bytes | None, str]] = {
    'missing': (
        None,
        r'no nasbench201 table at .* folder with nats_bench_tss_200ep\.csv\[\.gz\]',
    ),
    'empty': (b'', 'unknown columns'),
    'another kind': (b'a,b\n1,2\n', r"columns \['a', 'b'\]; expected ArchitectureString"),
    'no accuracies': (b'arch\n|none~0|\n', 'unknown columns'),
    'no cells': (HEADER.encode(), 'no cells'),
    'a short line': (f'{HEADER}0,{MIXED}\n'.encode(), 'line 2 is not a cell'),
    'a word': (f'{HEADER}0,{MIXED},good\n'.encode(), 'line 2 is not'),
    'nan': (f'{HEADER}0,{MIXED},nan\n'.encode(), 'line 2 is not'),
    'no string of a cell': (f'{HEADER}0,hello,50\n'.encode(), "line 2: 'hello' is no cell"),
    'another operation': (f'{HEADER}0,{MIXED.replace("~1", "x~1")},5\n'.encode(), 'is no cell of'),
    'too few nodes': (f'{HEADER}0,{MIXED.rsplit("+", 1)[0]},5\n'.encode(), 'is no cell of'),
    'shares': (f'{HEADER}0,{MIXED},0.9\n'.encode(), 'cifar10-test is at most 0.9; expected per c'),
    'twice': (f'{HEADER}0,{MIXED},50\n1,{MIXED},60\n'.encode(), 'listed twice'),
    'cut gzip': (gzip.compress((HEADER + ROWS).encode())[:-12], 'damaged'),
    'no gzip': (b'\x1f\x8b' + b'x' * 50, 'damaged'),
    'binary': (b'arch,cifar10-test\n\xff\xfe,1\n', 'damaged'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_tables_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    path = tmp_path / 'table.csv'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        NASBench201Table.load(path)


def test_a_data_set_of_ones_own_keeps_its_name(tmp_path: Path) -> None:
    rows = small_table(tmp_path / 'table.csv')
    text = (tmp_path / 'table.csv').read_text()
    (tmp_path / 'table.csv').write_text(text.replace('cifar10-test', 'svhn-test'))
    table = NASBench201Table.load(tmp_path / 'table.csv')
    assert table.datasets == ('svhn-test',)
    assert table.optimum('svhn') == max(value for _, value in rows)


@pytest.mark.parametrize(
    ('name', 'values'),
    [('loss-test', (0.3, 0.4)), ('seconds-val', (300, 5)), ('svhn-test', (90, '')),
     ('imagenet16-test', (40, 41))],
)  # fmt: skip
def test_other_columns_do_not_matter(name: str, values: tuple, tmp_path: Path) -> None:
    cells = [text_of([op] * 6) for op in OPS[:2]]
    rows = [
        f'{c},{50 + i},{60 + i},{v}' for i, (c, v) in enumerate(zip(cells, values, strict=True))
    ]
    text = '\n'.join([f'arch,cifar10-test,imagenet-test,{name}', *rows])
    (tmp_path / 'table.csv').write_text(text + '\n')
    table = NASBench201Table.load(tmp_path / 'table.csv')
    assert table.datasets == ('cifar10-test', 'imagenet16-test')
    assert table.optimum('imagenet16') == 61


def test_unknown_cells_and_data_sets(tmp_path: Path) -> None:
    small_table(tmp_path / 'table.csv')
    table = NASBench201Table.load(tmp_path / 'table.csv')
    unknown = NASBench201Table.decode(text_of(['none'] * 6))
    assert unknown not in table
    with pytest.raises(TableError, match=r'unknown cell \|none~0\|'):
        table.accuracy(unknown, 'cifar10')
    with pytest.raises(TableError, match=r"'svhn'; known: \['cifar10-test'\]"):
        table.optimum('svhn')
    with pytest.raises(GenotypeError, match="got 'darts'"):
        table.rank(Genotype.load('cdarts_cifar10'), 'cifar10')
    for text in ('', '|none~0', 'none~0', '|none~1|', '|sum~0|', '|none~0|+|none~0|'):
        with pytest.raises(GenotypeError):
            NASBench201Table.decode(text)
