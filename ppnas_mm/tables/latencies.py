"""Latencies of whole architectures on devices, measured by others and read from a CSV file."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from ..genotype import Genotype
from .nasbench201 import NASBench201Table
from .table import TableError, find, opened

SOURCES = {
    'help_latency.csv': 'data/nasbench201/latency of github.com/HayeonLee/HELP, joined by cell',
}


class LatencyTable:
    """Milliseconds of every cell of NAS-Bench-201 on one device.

    Args:
        milliseconds: By the cell's string.
        device: Name of the device.
        name: Name of the table in messages.
    """

    space = NASBench201Table.space

    def __init__(self, milliseconds: Mapping[str, float], device: str, name: str = 'table') -> None:
        self.milliseconds, self.device, self.name = dict(milliseconds), device, name

    @classmethod
    def load(cls, path: str | os.PathLike, device: str) -> LatencyTable:
        """Read the column of a device.

        Args:
            path: File, plain or gzipped, or its folder: a column ``arch`` of cells, and one for
                each device.
            device: The column, such as ``'raspi4'`` or ``'1080ti_32'`` (batches of 32).

        Raises:
            TableError: If there is no such file or device, or a line is wrong.
        """
        found = find(Path(path), SOURCES, 'table of latencies')
        with opened(found) as text:
            reader = csv.DictReader(text, strict=True)
            columns = [name for name in reader.fieldnames or [] if name != 'arch']
            if 'arch' not in (reader.fieldnames or []):
                raise TableError(f'{found}: expected a column arch and one for each device')
            if device not in columns:
                close = difflib.get_close_matches(device, columns, n=1)
                hint = f'did you mean {close[0]!r}?' if close else f'known: {", ".join(columns)}'
                raise TableError(f'{found}: unknown device {device!r:.60}; {hint}')
            values: dict[str, float] = {}
            for row in reader:
                try:
                    value = float(row[device])
                except (TypeError, ValueError):
                    value = -1.0
                if not row['arch'] or row['arch'] in values or not 0 < value < 1e9:
                    raise TableError(
                        f'{found}: line {reader.line_num} is not a cell and its latencies'
                    )
                values[row['arch']] = value
        if not values:
            raise TableError(f'{found}: no cells')
        return cls(values, device, str(found))

    def __len__(self) -> int:
        return len(self.milliseconds)

    def __call__(self, genotype: Genotype) -> float:
        """Return the latency of a cell.

        Raises:
            TableError: If the table lacks it.
            GenotypeError: If the genotype is of another space.
        """
        cell = NASBench201Table.encode(genotype)
        if cell not in self.milliseconds:
            raise TableError(
                f'{self.name}: unknown cell {cell:.200}; it has {len(self):,} cells, and a limit '
                'needs all that the super-net can choose'
            )
        return self.milliseconds[cell]
