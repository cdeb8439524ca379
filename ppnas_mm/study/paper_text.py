"""What ``tools/paper.py`` prints."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..utils.tables import figure, table
from .paper import SCALES, Paper, PaperRow, PaperTable, Run


def tables_text(paper: Paper) -> str:
    """Return the list of a paper's tables, a line each."""
    lines = [paper.title]
    for one in paper.tables.values():
        about = f'{len(one.rows)} rows; {", ".join(one.scales)}'
        lines.append(f'{one.name:6} {one.title} ({about})')
    return '\n'.join(lines)


def commands_text(paper_table: PaperTable, scale: str, commands: Iterable[Sequence[str]]) -> str:
    """Return the title as a comment, and a line for each command."""
    head = f'# {paper_table.label}: {paper_table.title}; scale {scale}'
    return '\n'.join([head, *map(shlex.join, commands)])


def table_text(paper_table: PaperTable, scale: str, found: Mapping[str, Any]) -> str:
    """Return a table: what the paper prints, what was measured here, and the cost.

    Args:
        paper_table: The table.
        scale: What was run, which is shown first.
        found: What was measured, by row, scale and label; it precedes what was measured earlier.
    """
    rows = []
    for row in paper_table.rows:
        cost = list(dict.fromkeys(run.cost for run in row.runs.get(scale, ())))
        rows.append(
            [
                row.name,
                ', '.join(f'{key} {text}' for key, text in row.paper.items()) or '-',
                _here(row, scale, found.get(row.name, {})),
                '; '.join(cost) or '-',
            ]
        )
    head = ['row', 'the paper prints', 'measured here (scale, seeds)', f'cost of {scale}']
    parts = [f'{paper_table.label}: {paper_table.title}', table(head, rows)]
    return '\n\n'.join([*parts, *([paper_table.note] if paper_table.note else [])])


def _here(row: PaperRow, scale: str, found: Mapping[str, Any]) -> str:
    """Return the measurements of a scale or, if there are none, those of the others."""
    texts = {one: _of_scale(row.runs[one], one, found.get(one, {})) for one in row.runs}
    shown = [scale] if texts.get(scale) else [one for one in SCALES if texts.get(one)]
    return ', '.join(text for one in shown for text in texts[one]) or '-'


def _of_scale(runs: Sequence[Run], scale: str, found: Mapping[str, Any]) -> list[str]:
    texts = []
    for run in runs:
        own = [label for label in run.measures if label in found]
        for label in own:
            about = found[label]
            value = summary(about['values'], about['failed'])
            seeds = ','.join(map(str, about['seeds']))
            texts.append(f'{label} {value} ({scale}{f", seeds {seeds}" if seeds else ""})')
        if run.here is not None and not own:
            label = run.here.measure or next(iter(run.measures))
            seeds = '' if run.here.seeds == '-' else f', {run.here.seeds}'
            texts.append(f'{label} {run.here.value} ({scale}{seeds}; {run.here.page})')
    return texts


def summary(values: Sequence[float], failed: int) -> str:
    """Return mean and standard deviation of the population, and how many searches found nothing."""
    parts = []
    if values:
        mean = figure(statistics.fmean(values))
        digits = len(mean.partition('.')[2])
        spread = f' ± {statistics.pstdev(values):.{digits}f}' if len(values) > 1 else ''
        parts.append(mean + spread)
    if failed:
        parts.append('Fail' if failed == 1 and not values else f'Fail: {failed}')
    return ', '.join(parts)
