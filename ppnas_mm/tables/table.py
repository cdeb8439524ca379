"""The accuracies of all trained architectures of a space: the truth that a search is judged by."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TextIO, TypeVar

import numpy as np

from ..genotype import Genotype

Table = TypeVar('Table', bound='BenchmarkTable')


class TableError(ValueError):
    """A table is missing, damaged or of unknown format, or lacks an architecture or data set."""


class BenchmarkTable:
    """Accuracies (per cent) of architectures on data sets, by their string in the benchmark.

    A subclass reads the files of a benchmark and translates its strings.

    Attributes:
        space: The search space.
        folder: Where the file is looked for, if none is named.
        sources: File names that :meth:`load` looks for in a folder (or with ``.gz``), and their
            origin.
        cells: The strings, in the order of the file.
        datasets: Names of the data sets, such as ``'cifar10-test'``; ``-test`` may be omitted.

    Args:
        scores: Accuracies in the order of ``cells``, by data set.
        cells: The architectures' strings.
        name: Name of the table in messages.

    Raises:
        TableError: If an architecture is listed twice, or accuracies are shares.
    """

    space: ClassVar[str]
    folder: ClassVar[Path]
    sources: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        scores: Mapping[str, Sequence[float] | np.ndarray],
        cells: Sequence[str],
        name: str = 'table',
    ) -> None:
        self.name = name
        self.cells = tuple(cells)
        self.datasets = tuple(scores)
        self._row = {cell: i for i, cell in enumerate(self.cells)}
        if len(self._row) != len(self.cells):
            raise TableError(f'{name}: a cell is listed twice')
        for dataset, values in scores.items():
            if len(values) and 0 < max(values) <= 1:
                raise TableError(f'{name}: {dataset} is at most {max(values):g}; expected per cent')
        self._scores = {d: np.asarray(values, dtype=np.float64) for d, values in scores.items()}
        self._sorted = {d: np.sort(values) for d, values in self._scores.items()}

    @classmethod
    def encode(cls, genotype: Genotype) -> str:
        """Return the benchmark's string; raises ``GenotypeError`` for another space."""
        raise NotImplementedError

    @classmethod
    def decode(cls, text: str) -> Genotype:
        """Return the genotype of a benchmark's string; raises ``GenotypeError`` if malformed."""
        raise NotImplementedError

    @classmethod
    def parse(cls: type[Table], text: TextIO, path: Path) -> Table:
        """Read an opened file."""
        raise NotImplementedError

    @classmethod
    def load(cls: type[Table], path: str | os.PathLike | None = None) -> Table:
        """Read a table: a file, or the first of :attr:`sources` in a folder.

        Raises:
            TableError: If there is no table, or it is damaged or of unknown format.
        """
        found = find(cls.folder if path is None else Path(path), cls.sources, f'{cls.space} table')
        with opened(found) as text:
            return cls.parse(text, found)

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, genotype: Genotype) -> bool:
        return self.encode(genotype) in self._row

    def dataset(self, name: str) -> str:
        """Return the full name of a data set.

        Raises:
            TableError: If the table has no such data set.
        """
        for full in (name, f'{name}-test'):
            if full in self._scores:
                return full
        raise TableError(f'{self.name}: unknown data set {name!r}; known: {list(self.datasets)}')

    def accuracies(self, dataset: str) -> np.ndarray:
        """Return all accuracies in the order of :attr:`cells`, not to be changed."""
        return self._scores[self.dataset(dataset)]

    def accuracy(self, genotype: Genotype, dataset: str) -> float:
        """Return the accuracy of an architecture.

        Raises:
            TableError: If the table lacks the architecture or the data set.
            GenotypeError: If the genotype is of another space.
        """
        scores, cell = self._scores[self.dataset(dataset)], self.encode(genotype)
        if cell not in self._row:
            raise TableError(f'{self.name}: unknown cell {cell:.200}')
        return float(scores[self._row[cell]])

    def rank(self, genotype: Genotype, dataset: str) -> int:
        """Return 1 + how many are better; raises as :meth:`accuracy` does."""
        value, ordered = self.accuracy(genotype, dataset), self._sorted[self.dataset(dataset)]
        return 1 + len(ordered) - int(np.searchsorted(ordered, value, side='right'))

    def optimum(self, dataset: str) -> float:
        """Return the highest accuracy; raises ``TableError`` for an unknown data set."""
        return float(self._sorted[self.dataset(dataset)][-1])

    def best(self, dataset: str) -> list[Genotype]:
        """Return the architectures with the highest accuracy, in the order of the file."""
        scores = self._scores[self.dataset(dataset)]
        rows = np.flatnonzero(scores == scores.max())
        return [self.decode(self.cells[i]) for i in rows]

    def regret(self, genotype: Genotype, dataset: str) -> float:
        """Return how far below the optimum one is; raises as :meth:`accuracy` does."""
        return self.optimum(dataset) - self.accuracy(genotype, dataset)


def find(path: Path, sources: Mapping[str, str], what: str) -> Path:
    """Return a file itself, or the first of ``sources`` in a folder, plain or gzipped.

    Raises:
        TableError: If there is none.
    """
    if path.is_file():
        return path
    names = [f'{name}{end}' for name in sources for end in ('', '.gz')]
    found = [path / name for name in names if (path / name).is_file()]
    if not found:
        wanted = ' or '.join(f'{name}[.gz] ({origin})' for name, origin in sources.items())
        raise TableError(f'no {what} at {path}: give the file, or a folder with {wanted}')
    return found[0]


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a text file, plain or gzipped.

    Raises:
        TableError: If it is damaged or not readable, also while it is read.
    """
    try:
        with path.open('rb') as file:
            packed = file.read(2) == b'\x1f\x8b'
        how: dict[str, Any] = dict(newline='', encoding='utf-8-sig')  # spreadsheets write a BOM
        with gzip.open(path, 'rt', **how) if packed else path.open(**how) as text:
            yield text
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f'{path}: damaged or not readable: {error}') from None
