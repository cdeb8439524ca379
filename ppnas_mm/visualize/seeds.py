"""Picture of several searches that differ in their seed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from .picture import picture
from .style import DARK, PALETTE


def _curves(records: Mapping[int, Mapping[str, Any]]) -> tuple[str, dict[int, list]]:
    """Return the name of the curve, and its (epoch, value) pairs for each seed."""
    for group, name in (('metrics', 'accuracy_val'), ('losses', 'loss')):
        curves = {}
        for seed, record in records.items():
            rows = [(entry['epoch'], entry.get(group, {}).get(name)) for entry in record['epochs']]
            curves[seed] = [row for row in rows if row[1] is not None]
        if all(curves.values()):
            return name, curves
    raise ValueError('the searches have neither accuracy_val nor loss in common')


def draw_seeds(
    records: Mapping[int, Mapping[str, Any]],
    values: Mapping[int, Mapping[str, float]],
    names: Mapping[str, str],
    chosen: tuple[str, int],
    path: str | os.PathLike,
) -> None:
    """Draw each search over its epochs, and below its final scores; the best is highlighted.

    Args:
        records: The content of ``search.json`` of each seed.
        values: Each seed's measures, e.g. ``{0: {'derived': 97.5}}``.
        names: The metric of each measure to draw.
        chosen: The measure that decided, and the best seed.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the searches have no curve in common.
    """
    (measure, best), (label, curves) = chosen, _curves(records)
    colours = dict(zip(records, cycle(PALETTE), strict=False))
    with picture(path) as figure:
        figure.set_size_inches(9, 6)
        figure.set_layout_engine('constrained')
        figure.suptitle(f'{len(records)} seeds, best by {measure.replace("_", "-")}: {best}')
        grid = figure.add_gridspec(2, len(names))
        axes = figure.add_subplot(grid[0, :], xlabel='epoch', ylabel=label)
        axes.locator_params(axis='x', integer=True, min_n_ticks=1)
        for seed, points in curves.items():
            width, above = (2.5, 3) if seed == best else (0.9, 2)
            text = f'seed {seed} (best)' if seed == best else f'seed {seed}'
            look: dict[str, Any] = {'color': colours[seed], 'linewidth': width, 'zorder': above}
            look |= {'marker': '.', 'markersize': 3, 'gid': f'curve-{seed}', 'label': text}
            axes.plot(*zip(*points, strict=True), **look)
        axes.legend(loc='center left', bbox_to_anchor=(1.02, 0.5))
        for column, (key, name) in enumerate(names.items()):
            axes = figure.add_subplot(grid[1, column], xlabel='seed', ylabel=name)
            axes.set_title(key.replace('_', '-'))
            axes.set_xticks(range(len(records)), map(str, records))
            axes.margins(x=0.2, y=0.2)
            for x, seed in enumerate(records):
                size, edge = (11, DARK) if seed == best else (6, 'none')
                look = {'color': colours[seed], 'markersize': size, 'markeredgecolor': edge}
                if key in values[seed]:
                    axes.plot(x, values[seed][key], 'o', gid=f'{key}-{seed}', **look)
