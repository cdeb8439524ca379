"""Rank correlations, deviations and paired tests against formulas written out."""

import math
from itertools import pairwise

import numpy as np
import pytest
from nb201_table import brute_signed_rank, brute_tau

from ppnas_mm.analysis.statistics import (
    deviation,
    kendall_tau,
    paired_p,
    signed_rank_p,
    spearman,
)


def test_kendall_tau_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 9, (2, 20)).astype(float).tolist()
        assert kendall_tau(a, b) == pytest.approx(brute_tau(a, b))
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def plain_ranks(values: list[float]) -> list[float]:
    """Mean rank of each value: those below it, and half of its equals."""
    return [
        sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values
    ]


def pearson(a: list[float], b: list[float]) -> float:
    """Correlation, by its sums."""
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    above = sum((x - ma) * (y - mb) for x, y in zip(a, b, strict=True))
    return above / math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))


@pytest.mark.parametrize('values', [9, 1000], ids=['ties', 'no ties'])
def test_spearman_correlates_ranks(values: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, values, (2, 20)).astype(float).tolist()
        assert spearman(a, b) == pytest.approx(pearson(plain_ranks(a), plain_ranks(b)))


def test_spearman_without_ties_is_the_formula_of_squares() -> None:
    a, b = [3.0, 1, 4, 1.5, 9], [2.0, 6, 5, 3, 8]
    squares = sum((x - y) ** 2 for x, y in zip(plain_ranks(a), plain_ranks(b), strict=True))
    assert spearman(a, b) == pytest.approx(1 - 6 * squares / (5 * 24))
    assert spearman(a, [x**3 for x in a]) == pytest.approx(1)
    assert spearman(a, [-x for x in a]) == pytest.approx(-1)


def test_spearman_without_an_order_is_nan() -> None:
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(spearman([1, 2, 3], [5, 5, 5]))
    assert math.isnan(spearman([1], [2]))


def test_the_deviation_is_that_of_a_population() -> None:
    values = [94.1, 93.2, 90.5, 94.1]
    mean = sum(values) / 4
    assert deviation(values) == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 4))
    assert deviation([3.0]) == 0


def plain_p(first: list[float], second: list[float], steps: int = 100_000) -> float:
    """Two-sided p of Student's t, by the trapezoidal rule on the density from 0 to t."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    t, free = abs(mean) / math.sqrt(variance / n), n - 1
    scale = math.exp(math.lgamma((free + 1) / 2) - math.lgamma(free / 2)) / math.sqrt(
        free * math.pi
    )
    values = [scale * (1 + (t * i / steps) ** 2 / free) ** (-(free + 1) / 2)
              for i in range(steps + 1)]  # fmt: skip
    inside = sum((a + b) / 2 for a, b in pairwise(values)) * t / steps
    return 1 - 2 * inside


def test_the_p_value_is_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    for n in (2, 3, 5, 9):
        a = rng.normal(90, 3, n).tolist()
        b = (np.array(a) + rng.normal(0.5, 1, n)).tolist()
        assert paired_p(a, b) == pytest.approx(plain_p(a, b), abs=1e-6)
        assert paired_p(b, a) == pytest.approx(paired_p(a, b))


def test_a_p_value_by_hand() -> None:
    """Differences 1, 2, 3: t = 2 sqrt(3) with two degrees of freedom, p = 1 - t / sqrt(t^2 + 2)."""
    t = 2 * math.sqrt(3)
    expected = 1 - t / math.sqrt(t * t + 2)
    assert paired_p([11, 12, 13], [10, 10, 10]) == pytest.approx(expected)
    assert round(expected, 4) == 0.0742


def test_pairs_that_decide_nothing_have_no_p_value() -> None:
    assert math.isnan(paired_p([1.0], [2.0]))
    assert math.isnan(paired_p([], []))
    assert math.isnan(paired_p([1, 2, 3], [0, 1, 2]))
    assert math.isnan(paired_p([1, 2], [1, 2]))
    assert math.isnan(paired_p([90.1, 93.4, 91.7], [90.0, 93.3, 91.6]))  # up to rounding


@pytest.mark.parametrize('digits', [0, 4], ids=['ties', 'no ties'])
def test_the_signed_rank_test_counts_signs(digits: int) -> None:
    rng = np.random.default_rng(3)
    for n in (2, 3, 5, 8, 10):
        differences = rng.normal(1, 2, n).round(digits).tolist()
        base = rng.normal(90, 3, n).tolist()
        mine = [b + d for b, d in zip(base, differences, strict=True)]
        expected = brute_signed_rank(differences) if any(differences) else math.nan
        assert signed_rank_p(mine, base) == pytest.approx(expected, nan_ok=True)
    assert signed_rank_p([2, 4, 6, 8, 10], [1, 2, 3, 4, 5]) == 2 / 2**5
    for pairs in ([1, 2], [1, 2]), ([1], [2]), ([], []):
        assert math.isnan(signed_rank_p(*pairs))
