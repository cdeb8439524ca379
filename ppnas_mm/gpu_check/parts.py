"""The parts of the check, in order of worth, and what each is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A result. ``ok`` says whether a check passed, ``wanted`` and ``met`` are of a target."""


@dataclass(frozen=True)
class Options:
    """What a part is told.

    Attributes:
        device: ``'cuda'`` or ``'cpu'``.
        tiny: Whether to do the smallest thing that runs the same code.
        out: Folder of the results; what a later run goes on from lies there.
        data: Folder with the packs of CIFAR-10; without them the parts take digits.
        until: When the part must have ended, in seconds since the epoch.
    """

    device: str
    tiny: bool
    out: Path
    data: Path | None
    until: float

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.until - time.time()


@dataclass(frozen=True)
class Part:
    """A part of the check.

    Attributes:
        name: Its name; also that of its module here, whose ``rows`` yields the results.
        title: What it shows.
        share: Its limit as a share of the whole time.
    """

    name: str
    title: str
    share: float

    def rows(self, options: Options) -> Iterator[Row]:
        """Run the part; each result comes as soon as it is known."""
        run: Callable[[Options], Iterator[Row]] = import_module(f'.{self.name}', __package__).rows
        return run(options)


PARTS = (
    Part('forwards', 'versions, card, one forward of every backbone beside the CPU', 0.12),
    Part('searches', 'two epochs of every search on digits, with and without --amp; resume', 0.26),
    Part('latencies', 'latency of PP-ResNet-50, Res2Net-50-vd and ResNet-50-vd', 0.24),
    Part('training_steps', 'training steps of the three', 0.08),
    Part('search_steps', 'every search step beside its plain form; peak memory', 0.16),
    Part('cifar', "PP-NAS on CIFAR-10 at the paper's width; goes on in the next run", 0.9),
)
"""The last one takes what is left."""


def part_named(name: str) -> Part:
    """Return a part.

    Raises:
        ValueError: If the name is unknown.
    """
    for part in PARTS:
        if part.name == name:
            return part
    raise ValueError(f'part {name!r}: expected one of {[p.name for p in PARTS]}')


def write_rows(part: Part, options: Options, path: Path) -> None:
    """Run a part; write its rows to a file, a line each, so that a kill leaves those before."""
    with open(path, 'w') as file:
        for row in part.rows(options):
            file.write(json.dumps(row, allow_nan=False) + '\n')
            file.flush()
            print(json.dumps(row), flush=True)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of :func:`write_rows`; a line that a kill cut is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
