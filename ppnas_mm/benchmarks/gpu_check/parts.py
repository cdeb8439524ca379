"""The parts of the check in order of importance, and their options."""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A result.  ``ok``: whether a check passed; ``wanted`` and ``met`` belong to a target."""


@dataclass(frozen=True)
class Options:
    """Options of a part.

    Attributes:
        device: ``'cuda'`` or ``'cpu'``.
        tiny: Whether to do the smallest run of the same code.
        out: Folder of the results; a later run resumes from the checkpoint in it.
        data: Folder with the packs of CIFAR-10; without them the parts use digits.
        until: Time by which the part must end, in seconds since the epoch.
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
        name: Name of the part and of its module, whose ``rows`` yields the results.
        title: Title of the part.
        share: Time limit as a fraction of the whole time.
    """

    name: str
    title: str
    share: float

    def rows(self, options: Options) -> Iterator[Row]:
        """Run the part; yield each result as soon as it is known."""
        run: Callable[[Options], Iterator[Row]] = import_module(f'.{self.name}', __package__).rows
        return run(options)


PARTS = (
    Part('forwards', 'versions, card, one forward of every backbone beside the CPU', 0.1),
    Part(
        'searches', 'a few epochs of every search on digits, with and without --amp; resume', 0.24
    ),
    Part('latencies', 'latency of PP-ResNet-50, Res2Net-50-vd and ResNet-50-vd', 0.3),
    Part('training_steps', 'training steps of the three', 0.07),
    Part('search_steps', 'every search step beside its plain form; peak memory', 0.15),
    Part('cifar', "PP-NAS on CIFAR-10 at the paper's width; goes on in the next run", 1.0),
)
"""The last part uses all time left."""


def part_named(name: str) -> Part:
    """Return a part.

    Raises:
        ValueError: If the name is unknown.
    """
    for part in PARTS:
        if part.name == name:
            return part
    raise ValueError(f'part {name!r}: expected one of {[p.name for p in PARTS]}')


def attempt(what: Row, make: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows of one item of a part; if it fails, yield a row with the error.

    Args:
        what: The item, for the row of an error.
        make: Returns the rows.
    """
    try:
        yield from make()
    except Exception as error:
        traceback.print_exc()
        text = ' '.join(str(error).split())[:300]
        yield {**what, 'error': f'{type(error).__name__}: {text}', 'ok': False}
        torch = sys.modules.get('torch')
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()  # so that an out-of-memory error does not affect the next item


def finite(row: Row) -> Row:
    """Return a row for JSON, with ``None`` for NaN and infinite values."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def write_rows(part: Part, options: Options, path: Path) -> None:
    """Run a part; write each row as a line of a file, so that finished rows survive a kill."""
    with open(path, 'w') as file:
        for row in part.rows(options):
            file.write(json.dumps(finite(row), allow_nan=False) + '\n')
            file.flush()
            print(json.dumps(row), flush=True)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of :func:`write_rows`, without a truncated last line."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
