"""Which operations a super-net can do without (SE-NAS, Section 3.3, equations 5 to 7).

A *model* here names one operation for each choice; ``alive`` lists the operations that are left.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

KINDS = ('confidence_product', 'paper_literal', 'si', 'ratio')
SAMPLERS = ('uniform', 'depth_balanced')
ROUNDS = 100  # most batches drawn in place of illegal models

Alive = Mapping[str, Sequence[int]]
Model = dict[str, int]
Spot = tuple[str, int]


def _check_alive(alive: Alive) -> None:
    if not alive:
        raise ValueError('alive is empty: expected the operations left for each choice')
    for name, ops in alive.items():
        if not ops or len(set(ops)) != len(ops):
            raise ValueError(f'alive[{name!r}]={list(ops)}: expected one or more different indices')


def _even(ops: Sequence[int], number: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``number`` operations in random order; counts differ by one at most."""
    rounds, rest = divmod(number, len(ops))
    return rng.permutation(np.r_[np.tile(ops, rounds), rng.permutation(ops)[:rest]])


def _draw(
    alive: Alive, number: int, rng: np.random.Generator, identity: Mapping[str, int]
) -> list[Model]:
    """Draw models, even in each choice; first how many identities, where ``identity`` has any."""
    free = [name for name, i in identity.items() if i in alive[name] and len(alive[name]) > 1]
    depth = _even(range(len(free) + 1), number, rng)
    skip = rng.random((number, len(free))).argsort(1).argsort(1) < depth[:, None]
    columns = {}
    for name, ops in alive.items():
        if name in free:
            keeps = ~skip[:, free.index(name)]
            others = [i for i in ops if i != identity[name]]
            columns[name] = np.full(number, identity[name])
            columns[name][keeps] = _even(others, int(keeps.sum()), rng)
        else:
            columns[name] = _even(ops, number, rng)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _collect(
    alive: Alive,
    number: int,
    rng: np.random.Generator,
    legal: Callable[[Model], bool] | None,
    identity: Mapping[str, int],
    tries: int,
) -> list[Model]:
    """Draw ``number`` legal models, or fewer after ``tries`` illegal ones in a row."""
    found: list[Model] = []
    failed = 0
    for _ in range(ROUNDS):
        batch = _draw(alive, max(number - len(found), failed), rng, identity)
        good = [model for model in batch if legal is None or legal(model)]
        found += good[: number - len(found)]
        failed = 0 if good else failed + len(batch)
        if len(found) == number or failed >= tries:
            break
    return found


def models_needed(alive: Alive, per_op: int, identity: Mapping[str, int]) -> int:
    """Return how many models hold each operation ``per_op`` times or more, drawn evenly.

    Args:
        alive, per_op: See :func:`stratified_models`.
        identity: Its argument with the sampler ``'depth_balanced'``, else empty.
    """
    # half of the models skip a choice that has an identity
    return per_op * max(
        2 * max(len(ops) - 1, 1) if identity.get(name) in ops else len(ops)
        for name, ops in alive.items()
    )


def stratified_models(
    alive: Alive,
    per_op: int,
    rng: np.random.Generator,
    legal: Callable[[Model], bool] | None = None,
    sampler: str = 'uniform',
    identity: Mapping[str, int] | None = None,
    tries: int = 1000,
) -> list[Model]:
    """Draw models for eq. 5 that all operations share, each in ``per_op`` of them or more.

    Within a choice all operations are drawn equally often (to one), in random order, as in a
    Latin hypercube.  Where the space has no more models than that takes, all are returned once.

    Args:
        alive: The operations left, for each choice.
        per_op: Models that contain an operation (the paper: 1000).
        rng: Source of randomness.
        legal: Whether a model is within the constraint ("dumps models that don't satisfy FLOPs
            constraint"); others are drawn in place of those that are not, after that for each
            operation that is short.  The counts are then no longer equal.
        sampler: ``'uniform'``, or ``'depth_balanced'``: first the number of identities, uniformly,
            then their positions (AngleNAS).
        identity: Index of the identity in each choice that has one; for ``'depth_balanced'``.
        tries: After so many illegal draws in a row an operation is given up; it may be in fewer
            models, or in none.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check_alive(alive)
    if per_op < 1 or tries < 1:
        raise ValueError(f'per_op={per_op}, tries={tries}: expected 1 or more')
    if sampler not in SAMPLERS:
        raise ValueError(f'sampler={sampler!r}: expected one of {SAMPLERS}')
    skips: Mapping[str, int] = {}
    if sampler == 'depth_balanced':
        if not identity or not set(identity) <= set(alive):
            raise ValueError(f'identity={identity}: expected some choices of {list(alive)}')
        skips = identity
    needed = models_needed(alive, per_op, skips)
    if math.prod(map(len, alive.values())) <= needed:
        every = (dict(zip(alive, ops, strict=True)) for ops in itertools.product(*alive.values()))
        return [model for model in every if legal is None or legal(model)]
    models = _collect(alive, needed, rng, legal, skips, tries)
    for name, ops in alive.items():
        for op in ops:
            short = per_op - sum(model[name] == op for model in models)
            if short > 0:
                models += _collect({**alive, name: (op,)}, short, rng, legal, skips, tries)
    return models


def selection_importance(
    models: Sequence[Mapping[str, int]], accuracies: Sequence[float], alive: Alive
) -> dict[str, dict[int, float]]:
    """Return SI (eq. 5): the mean accuracy of the models that contain an operation, or NaN.

    Args:
        models: The models, as of :func:`stratified_models`; one that leaves a choice out contains
            none of its operations.
        accuracies: P(a) of each, in any unit.
        alive: The operations left, for each choice.

    Raises:
        ValueError: If the two differ in length, an accuracy is not finite, or a model holds an
            operation that is not alive.
    """
    _check_alive(alive)
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
    """Score the operations; those of low scores are dropped.

    SC (eq. 6), the confidence, is the variance of SI over the operations of a choice.  Means and
    extremes are taken over all operations of all choices that still have two or more; the others
    have no scores.  Operations without a sample come first: minus infinity.

    Args:
        importance: SI of the operations alive, for each choice.
        kind: ``'confidence_product'``: n(SI) SC / mean(SC), where n(x) = (x - mean) / (max - min):
            what the text says of eq. 7, low SI at high SC goes first; ``'paper_literal'``:
            n(SI) / n(SC), eq. 7 to the letter, which prefers low SI where n(SC) is negative;
            ``'si'``: SI alone (Table 6); ``'ratio'``: (SI / mean) / (SC / mean).
        eps: Least magnitude of a divisor, whose sign is kept.

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
    allowed: Callable[[Alive], bool] | None = None,
) -> list[Spot]:
    """Return the operations to drop: the ``count`` lowest, but never the last of a choice.

    Of equal scores the earlier one goes first.  There are fewer where no more can be dropped.

    Args:
        scores: Scores of operations, as of :func:`operator_scores`.
        count: K, operations to drop.
        alive: The operations left, for each choice.
        allowed: Whether the operations left may be so; an operation without which they may not
            stays.

    Raises:
        ValueError: If a score is NaN or of an operation that is not alive.
    """
    left = {name: tuple(ops) for name, ops in alive.items()}
    for (name, op), score in scores.items():
        if math.isnan(score) or op not in alive.get(name, ()):
            raise ValueError(f'scores[{name!r}, {op}]={score}: expected a number of one alive')
    chosen: list[Spot] = []
    for name, op in sorted(scores, key=scores.__getitem__):
        rest = {**left, name: tuple(i for i in left[name] if i != op)}
        if len(chosen) < count and rest[name] and (allowed is None or allowed(rest)):
            left = rest
            chosen.append((name, op))
    return chosen
