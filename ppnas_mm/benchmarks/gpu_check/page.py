"""The page of GPU results, written from the records of runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config.keys import ConfigError
from ...utils.files import write_atomic
from ...utils.tables import table

BLOCK = re.compile(r'<!-- gpu: results -->\n(.*?)<!-- end -->', re.S)
EMPTY = 'No run on a GPU yet.\n'


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else '**no**'
    if isinstance(value, float):
        return f'{value:.3g}' if abs(value) < 100 else f'{value:.0f}'
    return '-' if value is None else str(value)


def _tables(rows: list[Mapping[str, Any]]) -> str:
    """Return a table for each kind of row (those with the same keys), in order."""
    kinds: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    parts = []
    for keys, members in kinds.items():
        cells = [[_cell(row[key]) for key in keys] for row in members]
        parts.append(table(list(keys), cells))
    return '\n\n'.join(parts)


def report(record: Mapping[str, Any]) -> str:
    """Return a run as Markdown: the machine, a section per part, errors."""
    lines = [f'`{record["command"]}`']
    if record['tiny']:
        lines.append('Tiny: the smallest run of the same code. Its figures say nothing of speed.')
    for part in record['parts']:
        took = f'{part["status"]}, {part["seconds"]:.0f} of {part["limit"]:.0f} s'
        lines.append(f'### {part["title"]}\n\n{took}')
        if part['error']:
            lines.append(f'`{part["error"]}`')
        if part['rows']:
            lines.append(_tables(part['rows']))
    return '\n\n'.join(lines)


def machine(record: Mapping[str, Any]) -> str:
    """Return the name of the card of a run, or of the processor."""
    rows = [row for part in record['parts'] for row in part['rows'] if 'card' in row]
    return rows[0]['card'] if rows else record['device']


def load(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        ConfigError: If the file is not a record.
    """
    try:
        record = json.loads(path.read_text())
        report(record)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f'{path}: not a gpu_check.json: {type(error).__name__}: {error}'
        ) from error
    return record


def render(page: Path, folder: Path) -> str:
    """Return the page with its block rewritten from the records in a folder, newest first.

    Raises:
        ConfigError: If the page has no block, or a file is not a record.
    """
    text = page.read_text()
    if len(BLOCK.findall(text)) != 1:
        raise ConfigError(f'{page}: expected one block <!-- gpu: results --> ... <!-- end -->')
    records = [load(path) for path in folder.glob('*.json')]
    records = sorted((r for r in records if not r['tiny']), key=lambda r: r['date'], reverse=True)
    body = '\n\n'.join(f'## {machine(r)}, {r["date"]}\n\n{report(r)}' for r in records)
    fresh = f'<!-- gpu: results -->\n{body or EMPTY.strip()}\n<!-- end -->'
    return BLOCK.sub(lambda _: fresh, text)


def update(page: Path, folder: Path) -> bool:
    """Rewrite the page; return whether it differed."""
    fresh = render(page, folder)
    if fresh == page.read_text():
        return False
    write_atomic(page, fresh.encode())
    return True
