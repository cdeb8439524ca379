"""NAS-Bench-Macro: accuracies of 6,561 chains of eight blocks (Su et al., CVPR 2021)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..genotype import Genotype, GenotypeError
from ..utils import schema
from ..utils.schema import SchemaError
from .table import BenchmarkTable, TableError

OPS = ('shortcut', 'mbconv_3x3_e3', 'mbconv_5x5_e6')
"""What the digits 0, 1 and 2 of a string stand for."""
DEPTHS = (2, 3, 3)
SEEDS = 3


class NASBenchMacroTable(BenchmarkTable):
    """The networks of NAS-Bench-Macro by their strings, a digit for each block.

    ``'cifar10-test'`` is the mean of three trainings, ``'cifar10-test0'`` to ``'cifar10-test2'``
    are those.

    Attributes:
        costs: ``'flops'`` (multiply-adds) and ``'params'`` of each network, as the file states
            them, in the order of ``cells``.
    """

    space = 'nasbench-macro'
    folder = Path('data/nasbench_macro')
    sources = {  # noqa: RUF012
        'nas-bench-macro_cifar10.json': 'data/ of github.com/xiusu/NAS-Bench-Macro',
    }
    costs: dict[str, np.ndarray]

    @classmethod
    def encode(cls, genotype: Genotype) -> str:
        """Return the digits of a network; raises ``GenotypeError`` for another space or depth."""
        depths = tuple(len(cell.nodes) for cell in genotype.cells)
        if genotype.space != cls.space or depths != DEPTHS:
            raise GenotypeError(
                f'expected a {cls.space} genotype with {DEPTHS} blocks, got {genotype.space!r} '
                f'with {depths}'
            )
        nodes = [node for cell in genotype.cells for node in cell.nodes]
        return ''.join(str(OPS.index(edges[0].op)) for edges in nodes)

    @classmethod
    def decode(cls, text: str) -> Genotype:
        """Return the genotype of a string; raises ``GenotypeError`` if it is malformed."""
        if not re.fullmatch('[012]{8}', text, re.ASCII):
            raise GenotypeError(f'{text!r:.200}: expected eight digits of 0, 1, 2')
        cells, digits = [], iter(text)
        for s, depth in enumerate(DEPTHS, 1):
            nodes = [[{'op': OPS[int(next(digits))], 'sources': [n]}] for n in range(depth)]
            cells.append({'name': f'stage{s}', 'inputs': 1, 'nodes': nodes})
        return Genotype.from_dict({'schema': 1, 'space': cls.space, 'cells': cells})

    @classmethod
    def parse(cls, text: TextIO, path: Path) -> NASBenchMacroTable:
        """Read an opened JSON file.

        Raises:
            TableError: If it is not JSON, an entry is wrong, or there are no networks.
        """
        try:
            data = schema.mapping(schema.parse(text.read()), 'file')
            rows = [_row(key, value) for key, value in data.items()]
        except SchemaError as error:
            raise TableError(f'{path}: {error}') from None
        if not rows:
            raise TableError(f'{path}: no networks')
        seeds, means, flops, params = (np.array(column) for column in zip(*rows, strict=True))
        scores = {f'cifar10-test{i}': seeds[:, i] for i in range(SEEDS)}
        table = cls({'cifar10-test': means, **scores}, list(data), str(path))
        table.costs = {'flops': flops, 'params': params}
        return table


def _row(key: str, value: Any) -> tuple[list[float], float, float, float]:
    if not re.fullmatch('[012]{8}', key, re.ASCII):
        schema.fail(key, 'eight digits of 0, 1, 2 as the key', key)
    row = schema.mapping(value, key, ('test_acc', 'mean_acc', 'params', 'flops'), ('std',))
    seeds = schema.sequence(row['test_acc'], f'{key}.test_acc', SEEDS, SEEDS)
    accuracies = [schema.number(v, f'{key}.test_acc[{i}]', 0) for i, v in enumerate(seeds)]
    mean = schema.number(row['mean_acc'], f'{key}.mean_acc', 0)
    if max(accuracies) > 100:
        schema.fail(f'{key}.test_acc', 'per cent', accuracies)
    if abs(mean - sum(accuracies) / SEEDS) > 0.01:
        schema.fail(f'{key}.mean_acc', f'the mean of {accuracies}', mean)
    costs = [schema.number(row[unit], f'{key}.{unit}', 0) for unit in ('flops', 'params')]
    return accuracies, mean, costs[0], costs[1]
