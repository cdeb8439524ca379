"""Statistics of rankings and of results over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..utils.compat import require


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's rank correlation (tau-b, which allows for ties); NaN without an order."""
    return float(require('scipy.stats').kendalltau(first, second).statistic)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation; NaN without an order."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return math.nan
    return float(require('scipy.stats').spearmanr(first, second).statistic)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a population, as the papers of NAS benchmarks print it."""
    return float(np.std(values))


def paired_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value of a paired t-test; NaN for one pair or equal differences.

    Differences are equal up to the rounding of the values.
    """
    if len(first) < 2:
        return math.nan
    rounding = 1e-12 * float(np.max(np.abs([first, second])))
    if float(np.ptp(np.subtract(first, second))) <= rounding:
        return math.nan
    return float(require('scipy.stats').ttest_rel(first, second).pvalue)


def signed_rank_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; NaN for one pair or equal ones.

    It needs no normal differences, so one bad search does not decide it. Its least value for five
    pairs is .0625, for six .031.
    """
    differences = np.round(np.subtract(first, second), 9)  # equal ones are equal up to rounding
    if len(differences) < 2 or not differences.any():
        return math.nan
    differences = differences[differences != 0]
    return float(require('scipy.stats').wilcoxon(differences).pvalue)


def welch_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value of Welch's t-test of two independent samples."""
    return float(require('scipy.stats').ttest_ind(first, second, equal_var=False).pvalue)
