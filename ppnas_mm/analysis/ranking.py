"""Ranks of models over several runs (SE-NAS, Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rank_table(scores: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the rank of each model in each run: 1 is the best, equal ones share the mean rank.

    Args:
        scores: Accuracies, ``(runs, models)``.

    Raises:
        ValueError: If it is no such table of finite numbers.
    """
    try:
        values = np.asarray(scores, dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError('scores: expected runs of equally many models, finite numbers')
    ranks = np.empty_like(values)
    for row, line in zip(ranks, values, strict=True):
        _, group, counts = np.unique(-line, return_inverse=True, return_counts=True)
        row[:] = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return ranks
