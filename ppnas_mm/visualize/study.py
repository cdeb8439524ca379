"""Pictures of a study: accuracy against epoch and against cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from .picture import picture, printable
from .style import DARK, PALETTE


def draw_curves(found: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw the accuracy of the strongest operations after each epoch: mean and range over seeds.

    Args:
        found: The results of a study.
        path: The picture to write, ``.svg`` or ``.png``.
    """
    name, about = next(iter(found['datasets'].items()))
    with picture(path) as figure:
        figure.set_size_inches(9, 5)
        figure.set_layout_engine('constrained')
        axes = figure.add_subplot(xlabel='share of the search', ylabel=f'{name}, per cent')
        axes.set_title(printable(found['title']))
        for (row, entry), colour in zip(found['rows'].items(), cycle(PALETTE), strict=False):
            curves = [s['by_epoch'] for s in entry['seeds'].values() if 'by_epoch' in s]
            if not curves:
                continue
            length = min(map(len, curves))
            x = [epoch / curves[0][length - 1][0] for epoch, _ in curves[0][:length]]
            values = [[curve[i][1] for curve in curves] for i in range(length)]
            means = [sum(v) / len(v) for v in values]
            axes.plot(x, means, color=colour, label=row, gid=f'curve-{row}')
            axes.fill_between(x, [*map(min, values)], [*map(max, values)], color=colour, alpha=0.12)
        axes.axhline(about['mean'], color=DARK, linestyle=':', linewidth=0.8)
        axes.axhline(about['optimum'], color=DARK, linewidth=0.8)
        axes.legend(loc='center left', bbox_to_anchor=(1.02, 0.5))


def draw_costs(
    found: Mapping[str, Any], spent: Mapping[str, Mapping[str, float]], path: str | os.PathLike
) -> None:
    """Draw the accuracy of what each search found against its core-seconds, a point a seed.

    Args:
        found: The results of a study.
        spent: Core-seconds by row and seed.
        path: The picture to write, ``.svg`` or ``.png``.
    """
    name, about = next(iter(found['datasets'].items()))
    with picture(path) as figure:
        figure.set_size_inches(9, 5)
        figure.set_layout_engine('constrained')
        axes = figure.add_subplot(xlabel='core-seconds', ylabel=f'{name}, per cent', xscale='log')
        axes.set_title(printable(found['title']))
        for (row, entry), colour in zip(found['rows'].items(), cycle(PALETTE), strict=False):
            points = [
                (max(1.0, spent[row][seed]), s['accuracy'][name])
                for seed, s in entry['seeds'].items()
                if 'failed' not in s
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True), 'o', color=colour, label=row, gid=f'row-{row}'
                )
        axes.axhline(about['mean'], color=DARK, linestyle=':', linewidth=0.8)
        axes.axhline(about['optimum'], color=DARK, linewidth=0.8)
        axes.legend(loc='center left', bbox_to_anchor=(1.02, 0.5))
