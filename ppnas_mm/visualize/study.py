"""Pictures of a study: accuracy against epoch and against cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, product
from typing import Any

from .picture import picture, printable
from .style import DARK, PALETTE

MARKS = (('-', 'o'), ('--', '^'), ('-.', 's'))
"""Lines and points; the next ones are taken when the colours begin again."""


def draw_curves(found: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw the accuracy of the strongest operations after each epoch: mean and range over seeds.

    Args:
        found: The results of a study.
        path: The picture to write, ``.svg`` or ``.png``.
    """
    with _axes(found, path, 'share of the search') as axes:
        for (row, entry), ((line, _), colour) in _looks(found):
            curves = [dict(s['by_epoch']) for s in entry['seeds'].values() if 'by_epoch' in s]
            epochs = sorted(set(curves[0]).intersection(*curves)) if curves else []
            if not epochs:
                continue
            x = [epoch / max(map(max, curves)) for epoch in epochs]
            values = [[curve[epoch] for curve in curves] for epoch in epochs]
            means = [sum(v) / len(v) for v in values]
            axes.plot(x, means, line, color=colour, label=row, gid=f'curve-{row}')
            axes.fill_between(x, [*map(min, values)], [*map(max, values)], color=colour, alpha=0.12)


def draw_costs(
    found: Mapping[str, Any], spent: Mapping[str, Mapping[str, float]], path: str | os.PathLike
) -> None:
    """Draw the accuracy of what each search found against its core-seconds, a point a seed.

    Args:
        found: The results of a study.
        spent: Core-seconds by row and seed.
        path: The picture to write, ``.svg`` or ``.png``.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    name = next(iter(found['datasets']))
    with _axes(found, path, 'core-seconds') as axes:
        for (row, entry), ((_, point), colour) in _looks(found):
            points = [
                (max(1.0, spent[row][seed]), s['accuracy'][name])
                for seed, s in entry['seeds'].items()
                if 'failed' not in s
            ]
            if points:
                xy = zip(*points, strict=True)
                axes.plot(*xy, point, color=colour, label=row, gid=f'row-{row}')
        axes.set_xscale('log')
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f'{seconds:,.0f}'))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _looks(found: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each row, and its line, its point and its colour."""
    return zip(found['rows'].items(), cycle(product(MARKS, PALETTE)), strict=False)


@contextmanager
def _axes(found: Mapping[str, Any], path: str | os.PathLike, x: str) -> Iterator[Any]:
    """Yield axes for accuracies; then add the best and the mean of the table, and the legend."""
    name, about = next(iter(found['datasets'].items()))
    with picture(path) as figure:
        figure.set_size_inches(9, 5)
        figure.set_layout_engine('constrained')
        axes = figure.add_subplot(xlabel=x, ylabel=f'{name}, per cent')
        axes.set_title(printable(found['title']))
        yield axes
        axes.axhline(about['optimum'], color=DARK, linewidth=0.8, label='best of all')
        axes.axhline(about['mean'], color=DARK, linestyle=':', linewidth=0.8, label='mean of all')
        axes.legend(loc='center left', bbox_to_anchor=(1.02, 0.5))
