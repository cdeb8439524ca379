"""Scores of operations and which to drop (SE-NAS, Section 3.3, equations 5 to 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from .scored_models import Alive, Spot, check_alive

KINDS = ('confidence_product', 'paper_literal', 'si', 'ratio')


def selection_importance(
    models: Sequence[Mapping[str, int]], accuracies: Sequence[float], alive: Alive
) -> dict[str, dict[int, float]]:
    """Return SI (eq. 5): the mean accuracy of the models that contain an operation, or NaN.

    Args:
        models: The models, as from :func:`stratified_models`; one without a choice contains none of
            its operations.
        accuracies: P(a) of each model, in any unit.
        alive: The operations left, for each choice.

    Raises:
        ValueError: If the two differ in length, an accuracy is not finite, or a model contains an
            operation that is not alive.
    """
    check_alive(alive)
    if len(models) != len(accuracies):
        raise ValueError(f'{len(models)} models, but {len(accuracies)} accuracies')
    values = np.asarray(accuracies, dtype=np.float64)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f'accuracies[{first}]={values[first]}: expected a finite number')
    importance: dict[str, dict[int, float]] = {}
    for name, ops in alive.items():
        column = np.array([model.get(name, -1) for model in models], dtype=np.int64)
        odd = set(column.tolist()) - {-1, *ops}
        if odd:
            raise ValueError(f'models: {name!r} has {sorted(odd)}; alive: {list(ops)}')
        hits = {op: values[column == op] for op in ops}
        importance[name] = {op: float(v.mean()) if len(v) else math.nan for op, v in hits.items()}
    return importance


def shares_below(values: Sequence[float]) -> list[float]:
    """Return the rank of each value: the share of the others that are below it, equal ones half."""
    ranks = rankdata(values) - 1
    return (ranks / max(1, len(ranks) - 1)).tolist()


def _mean_normalised(values: np.ndarray) -> np.ndarray:
    """(x - mean) / (max - min); zeros if all are equal."""
    spread = np.ptp(values)
    if spread <= 1e-12 * np.abs(values).max():  # rounding
        return np.zeros_like(values)
    return (values - values.mean()) / spread


def _by_mean(values: np.ndarray) -> np.ndarray:
    """x / mean; ones if the mean is zero."""
    mean = values.mean()
    return values / mean if mean != 0 else np.ones_like(values)


def operator_scores(
    importance: Mapping[str, Mapping[int, float]],
    kind: str = 'confidence_product',
    eps: float = 1e-12,
) -> dict[Spot, float]:
    """Score the operations; those of lowest score are dropped.

    SC (eq. 6), the confidence, is the variance of SI over the operations of a choice.  Means and
    extremes are taken over all operations of choices that still have two or more; the others have
    no scores.  Operations without a sample score minus infinity, so they are dropped first.

    Args:
        importance: SI of the operations alive, for each choice.
        kind: ``'confidence_product'``: n(SI) SC / mean(SC), where n(x) = (x - mean) / (max - min):
            the text's description of eq. 7, which drops low SI at high SC first;
            ``'paper_literal'``: n(SI) / n(SC), eq. 7 as printed, which prefers low SI where n(SC)
            is negative;
            ``'si'``: SI alone (Table 6); ``'ratio'``: (SI / mean) / (SC / mean).
        eps: Minimum magnitude of a divisor, whose sign is kept.

    Raises:
        ValueError: If ``kind`` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f'kind={kind!r}: expected one of {KINDS}')
    spots: list[Spot] = []
    si: list[float] = []
    sc: list[float] = []
    scores: dict[Spot, float] = {}
    for name, ops in importance.items():
        if len(ops) < 2:
            continue
        sampled = {op: value for op, value in ops.items() if not math.isnan(value)}
        scores.update({(name, op): -math.inf for op in ops})
        spots += [(name, op) for op in sampled]
        si += sampled.values()
        sc += [float(np.var(list(sampled.values())))] * len(sampled)
    if not spots:
        return scores
    x, y = np.array(si), np.array(sc)
    if kind == 'confidence_product':
        found = _mean_normalised(x) * _by_mean(y)
    elif kind == 'si':
        found = x
    else:
        n = _mean_normalised if kind == 'paper_literal' else _by_mean
        below = n(y)
        found = n(x) / np.copysign(np.maximum(np.abs(below), eps), below)
    return scores | dict(zip(spots, found.tolist(), strict=True))


def weakest(
    scores: Mapping[Spot, float],
    count: int,
    alive: Alive,
    rng: np.random.Generator,
    allowed: Callable[[Alive], bool] | None = None,
) -> list[Spot]:
    """Return the ``count`` operations of lowest score to drop, but never the last of a choice.

    Ties are broken at random.  Fewer are returned if no more can be dropped.

    Args:
        scores: Scores of operations, as from :func:`operator_scores`.
        count: Number K of operations to drop.
        alive: The operations left, for each choice.
        rng: Source of randomness.
        allowed: Whether a set of operations left is allowed; operations whose removal is not
            allowed stay.

    Raises:
        ValueError: If a score is NaN or of an operation that is not alive.
    """
    left = {name: tuple(ops) for name, ops in alive.items()}
    for (name, op), score in scores.items():
        if math.isnan(score) or op not in alive.get(name, ()):
            raise ValueError(f'scores[{name!r}, {op}]={score}: expected a number of one alive')
    chosen: list[Spot] = []
    shuffled = [list(scores)[i] for i in rng.permutation(len(scores))]
    for name, op in sorted(shuffled, key=scores.__getitem__):
        rest = {**left, name: tuple(i for i in left[name] if i != op)}
        if len(chosen) < count and rest[name] and (allowed is None or allowed(rest)):
            left = rest
            chosen.append((name, op))
    return chosen


def ties(scores: Mapping[Spot, float], chosen: Sequence[Spot]) -> list[Spot]:
    """Return the operations not chosen that have the same score as a chosen one."""
    equal = {scores[spot] for spot in chosen}
    return [spot for spot, score in scores.items() if score in equal and spot not in chosen]
