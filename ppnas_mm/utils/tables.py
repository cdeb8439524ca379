"""Tables that the tools print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import read_json


def figure(value: float) -> str:
    """Return a score as text: fractions with three decimals, percentages with two."""
    return f'{value:.3f}' if abs(value) <= 1 else f'{value:.2f}'


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return an aligned Markdown table with right-aligned numbers."""
    cells = [[figure(c) if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [row[0].ljust(widths[0])]
        padded += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        return '| ' + ' | '.join(padded) + ' |'

    rule = ['-' * widths[0], *('-' * (w - 1) + ':' for w in widths[1:])]
    return '\n'.join([line(list(header)), line(rule), *map(line, cells)])


def scores(folder: str | Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``metrics`` and ``parameters`` of the networks that a search leaves, by their label.

    Args:
        folder: Its work dir, whose ``retrain`` is read if there is one.
        result: The result in its record.

    Raises:
        DamagedFileError: If the result of the retraining is damaged.
    """
    names = {
        'super_net': 'super-net',
        'as_inherited': 'derived, norms of the super-net',
        'derived': 'derived, not retrained',
    }
    found = {label: result[key] for key, label in names.items() if key in result}
    retrained = Path(folder) / 'retrain' / 'result.json'
    if retrained.is_file():
        found['derived, retrained'] = read_json(retrained)
    return found


def search_table(work_dir: str | Path) -> str:
    """Return the table of a finished search: super-net, derived and, if present, retrained.

    Raises:
        DamagedFileError: If the work dir has no finished search, or one of its files is damaged.
    """
    folder = Path(work_dir)
    result = read_json(folder / 'search.json').get('result', {})
    found = scores(folder, result)
    metrics = list(dict.fromkeys(m for entry in found.values() for m in entry['metrics']))
    if not found:
        return f'genotype {result.get("genotype")}; weights {result.get("weights")}'
    rows = [
        [label, *(entry['metrics'].get(m, '-') for m in metrics), f'{entry["parameters"]:,}']
        for label, entry in found.items()
    ]
    return table(['network', *metrics, 'parameters'], rows)
