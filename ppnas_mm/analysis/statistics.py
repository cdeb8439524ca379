"""Statistics of rankings."""

from __future__ import annotations

from collections.abc import Sequence

from ..utils.compat import require


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's rank correlation (tau-b, which allows for ties); NaN without an order."""
    return float(require('scipy.stats').kendalltau(first, second).statistic)
