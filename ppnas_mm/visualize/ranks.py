"""How stable the ranking of models by a super-net is (SE-NAS, Figures 1 and 8)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from ..utils.compat import require
from .picture import picture
from .style import DARK, PALETTE


def rank_table(scores: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the rank of each model in each run: 1 is the best, equal models share the mean rank.

    Args:
        scores: Accuracies, ``(runs, models)``.

    Raises:
        ValueError: If it is not a table of finite numbers.
    """
    try:
        values = np.asarray(scores, dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError('scores: expected runs of equally many models, finite numbers')
    return require('scipy.stats').rankdata(-values, axis=1)


def draw_rank_boxes(
    truth: Sequence[float],
    runs: Mapping[str, Sequence[Sequence[float]]],
    path: str | os.PathLike,
    title: str = '',
) -> None:
    """Draw the ranks of each model over several runs, as boxes (Fig. 1); a panel for each variant.

    Models are ordered from best to worst by the ground truth, the line marks their true rank;
    boxes are quartiles, whiskers reach 1.5 times as far, circles are outliers.

    Args:
        truth: The true accuracy of each model.
        runs: For each variant, such as ``'super-net'``, accuracies ``(runs, models)``.
        path: The picture to write, ``.svg`` or ``.png``.
        title: Text above.

    Raises:
        ValueError: If ``path`` has another suffix, or the numbers of models differ.
    """
    order = np.argsort(-np.asarray(truth, dtype=np.float64), kind='stable')
    ranks = {name: rank_table(scores) for name, scores in runs.items()}
    for name, table in ranks.items():
        if table.shape[1] != len(order):
            raise ValueError(f'{name}: {table.shape[1]} models, but the truth has {len(order)}')
    if not ranks:
        raise ValueError('runs is empty: expected accuracies of one variant or more')
    wanted, spots = rank_table([truth])[0][order], range(1, len(order) + 1)
    with picture(path) as figure:
        figure.set_size_inches(max(5.0, 0.12 * len(order)), 0.5 + 2.8 * len(ranks))
        figure.set_layout_engine('constrained')
        figure.suptitle(title)
        for row, (name, table) in enumerate(ranks.items(), 1):
            axes = figure.add_subplot(len(ranks), 1, row, ylabel='rank')
            axes.set_title(name)
            axes.set_xlabel('models by the ground truth, from the best')
            colour = PALETTE[(row - 1) % len(PALETTE)]
            axes.plot(spots, wanted, color=DARK, linewidth=0.9, linestyle=':', gid=f'truth-{row}')
            look: dict[str, Any] = {'widths': 0.6, 'manage_ticks': False}
            look |= {'boxprops': {'color': colour}, 'flierprops': {'markersize': 3}}
            drawn = axes.boxplot(table[:, order], positions=spots, **look)
            for k, line in enumerate(drawn['medians'], 1):
                line.set(color=DARK, gid=f'median-{row}-{k}')
            axes.locator_params(axis='both', integer=True)
            axes.invert_yaxis()


def draw_tau_boxes(
    taus: Mapping[str, Sequence[float]],
    path: str | os.PathLike,
    title: str = '',
    label: str = "Kendall's tau",
) -> None:
    """Draw how Kendall's tau is distributed over the runs of each variant (Fig. 8).

    Args:
        taus: For each variant, the tau of each run.
        path: The picture to write, ``.svg`` or ``.png``.
        title: Text above.
        label: What is drawn, if it is not tau.

    Raises:
        ValueError: If ``path`` has another suffix, or a variant has no finite numbers.
    """
    for name, values in taus.items():
        if not len(values) or not np.isfinite(np.asarray(values, dtype=np.float64)).all():
            raise ValueError(f'{name}: expected the tau of one run or more, not {list(values)}')
    if not taus:
        raise ValueError('taus is empty: expected those of one variant or more')
    with picture(path) as figure:
        figure.set_size_inches(max(4.0, 1.2 * len(taus)), 3.5)
        figure.set_layout_engine('constrained')
        figure.suptitle(title)
        axes = figure.add_subplot(ylabel=label)
        drawn = axes.boxplot(list(taus.values()), showfliers=False)  # every run is drawn below
        for line in drawn['medians']:
            line.set(color=DARK)
        for x, (values, colour) in enumerate(zip(taus.values(), cycle(PALETTE), strict=False), 1):
            spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
            places = [x + shift for shift in spread]
            axes.plot(places, values, 'o', color=colour, markersize=4, gid=f'runs-{x}')
        axes.set_xticks(range(1, len(taus) + 1), list(taus))
