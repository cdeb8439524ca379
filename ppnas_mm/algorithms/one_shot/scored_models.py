"""The models on which operations are scored (SE-NAS, Section 3.3, equation 5).

A *model* names one operation for each choice; ``alive`` lists the operations that are left.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...costs.limits import Cap

SAMPLERS = ('uniform', 'depth_balanced')
SWEEPS = 40
"""Number of times that the sampler within caps redraws each choice."""

Alive = Mapping[str, Sequence[int]]
Model = dict[str, int]
Spot = tuple[str, int]


def check_alive(alive: Alive) -> None:
    """Raise ``ValueError`` if no operation is left, or one is listed twice."""
    if not alive:
        raise ValueError('alive is empty: expected the operations left for each choice')
    for name, ops in alive.items():
        if not ops or len(set(ops)) != len(ops):
            raise ValueError(f'alive[{name!r}]={list(ops)}: expected one or more different indices')


def _even(ops: Sequence[int], number: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``number`` operations in random order; counts differ by at most one."""
    rounds, rest = divmod(number, len(ops))
    return rng.permutation(np.r_[np.tile(ops, rounds), rng.permutation(ops)[:rest]])


def _evenly(
    alive: Alive, number: int, rng: np.random.Generator, identity: Mapping[str, int]
) -> list[Model]:
    """Draw models evenly in each choice; with ``identity``, draw the number of identities first."""
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
    return _models(columns)


def _models(columns: Mapping[str, np.ndarray]) -> list[Model]:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def within_caps(
    alive: Alive,
    number: int,
    rng: np.random.Generator,
    caps: Sequence[Cap],
    identity: Mapping[str, int] | None = None,
) -> list[Model]:
    """Draw models as :func:`stratified_models` would, conditioned on all caps.

    Each model has its own Gibbs sampler, and all run in parallel: it starts at the cheapest model
    and redraws one choice after the other among the operations within the caps.  This avoids
    rejection sampling, which is slow for tight caps.

    Args:
        alive: The operations left, for each choice.
        number: Number of models to draw.
        rng: Source of randomness.
        caps: The upper limits.
        identity: Index of the identity in each choice that has one, to make all numbers of
            identities equally likely (before the caps).

    Returns:
        ``number`` models, or none if even the cheapest ones exceed the caps.
    """
    free = {
        name: list(alive[name]).index(i)
        for name, i in (identity or {}).items()
        if i in alive[name] and len(alive[name]) > 1
    }
    costs = {
        name: np.array([[cap.costs[name][i] / cap.most for i in ops] for cap in caps])
        for name, ops in alive.items()
    }  # (caps, operations), as fractions of the caps
    start = _cheapest(costs)
    if number == 0 or start is None:
        return []
    state = {name: np.full(number, column) for name, column in start.items()}
    spent = np.sum([costs[name][:, state[name]] for name in alive], 0)  # (caps, models)
    skipped: Any = sum((state[name] == i for name, i in free.items()), np.zeros(number, int))
    names = [name for name, ops in alive.items() if len(ops) > 1]
    for _ in range(SWEEPS):
        for name in rng.permutation(names):
            spent = spent - costs[name][:, state[name]]
            allowed = (spent[:, :, None] + costs[name][:, None] <= 1 + 1e-12).all(0)
            weights = allowed.astype(float)
            if name in free:
                skipped = skipped - (state[name] == free[name])
                weights *= _balanced(skipped, len(free), len(alive[name]), free[name])
            state[name] = _choose(weights, rng)
            if name in free:
                skipped = skipped + (state[name] == free[name])
            spent = spent + costs[name][:, state[name]]
    return _models({name: np.array(ops)[state[name]] for name, ops in alive.items()})


def _cheapest(costs: Mapping[str, np.ndarray]) -> dict[str, int] | None:
    """Return the columns of a model within all caps: the cheapest by one of them, or by all."""
    caps = range(len(next(iter(costs.values()))))
    for by in (*caps, None):
        found = {n: int((c.max(0) if by is None else c[by]).argmin()) for n, c in costs.items()}
        if (np.sum([costs[n][:, i] for n, i in found.items()], 0) <= 1 + 1e-12).all():
            return found
    return None


def _balanced(skipped: np.ndarray, free: int, ops: int, identity: int) -> np.ndarray:
    """Return weights ``(models, ops)`` of a choice that make numbers of identities equally likely.

    There are ``comb(free, k)`` placements of ``k`` identities among ``free`` choices, and the
    operations of the other choices are equally likely.
    """
    inverse = np.array([1 / math.comb(free, k) for k in range(free + 1)])
    weights = np.repeat((inverse[skipped] / (ops - 1))[:, None], ops, 1)
    weights[:, identity] = inverse[skipped + 1]
    return weights


def _choose(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a column for each row, with probabilities in proportion to the weights."""
    sums = weights.cumsum(1)
    return (rng.random(len(weights))[:, None] * sums[:, -1:] >= sums).sum(1)


def models_needed(alive: Alive, per_op: int, identity: Mapping[str, int]) -> int:
    """Return how many evenly drawn models contain each operation at least ``per_op`` times.

    Args:
        alive, per_op: See :func:`stratified_models`.
        identity: See there; given with the sampler ``'depth_balanced'``; else empty.
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
    caps: Sequence[Cap] = (),
    sampler: str = 'uniform',
    identity: Mapping[str, int] | None = None,
) -> list[Model]:
    """Draw models for eq. 5, shared by all operations, each in at least ``per_op`` of them.

    Within a choice all operations are drawn equally often (within one), in random order, as in a
    Latin hypercube.  If the space has no more models than needed, each is returned once.

    Args:
        alive: The operations left, for each choice.
        per_op: Minimum number of models that contain an operation (the paper: 1000).
        rng: Source of randomness.
        caps: Upper limits for all models ("dumps models that don't satisfy FLOPs constraint").
            Models are then drawn within them (:func:`within_caps`), with additional draws for
            operations in too few models.  An operation that fits in no model within the caps is in
            none.
        sampler: ``'uniform'``, or ``'depth_balanced'``: first the number of identities, uniformly,
            then their positions (AngleNAS).
        identity: Index of the identity in each choice that has one; for ``'depth_balanced'``.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_alive(alive)
    if per_op < 1:
        raise ValueError(f'per_op={per_op}: expected 1 or more')
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
        return [model for model in every if all(cap.keeps(model) for cap in caps)]

    def draw(left: Alive, number: int) -> list[Model]:
        if caps:
            return within_caps(left, number, rng, caps, skips)
        return _evenly(left, number, rng, skips)

    models = draw(alive, needed)
    for name, ops in alive.items():
        for op in ops:
            short = per_op - sum(model[name] == op for model in models)
            if short > 0:
                models += draw({**alive, name: (op,)}, short)
    return models


@dataclass(frozen=True)
class Drawn:
    """Summary of the models drawn to score operations.

    Attributes:
        models: Number of models.
        least, median: Minimum and median number of models per operation, over operations in at
            least one.
        unscored: Operations that are in no model.
        blocks: Mean number of choices per model without an identity, of those that could have one.
        skippable: Number of choices that could have one.
    """

    models: int
    least: int
    median: float
    unscored: list[Spot]
    blocks: float
    skippable: int

    @classmethod
    def of(
        cls, models: Sequence[Mapping[str, int]], alive: Alive, identity: Mapping[str, int]
    ) -> Drawn:
        """Count models, including operations that are the only one of their choice."""
        seen = Counter(spot for model in models for spot in model.items())
        spots = [(name, op) for name, ops in alive.items() for op in ops]
        counts = sorted(seen[spot] for spot in spots if seen[spot])
        free = {n: i for n, i in identity.items() if i in alive[n] and len(alive[n]) > 1}
        blocks = [sum(model.get(n) != i for n, i in free.items()) for model in models]
        return cls(
            models=len(models),
            least=counts[0] if counts else 0,
            median=float(np.median(counts)) if counts else 0.0,
            unscored=[spot for spot in spots if not seen[spot]],
            blocks=float(np.mean(blocks)) if blocks else 0.0,
            skippable=len(free),
        )

    def counts(self) -> dict[str, Any]:
        """Return the counts for the record of a search."""
        return dict(
            models=self.models,
            models_per_op=dict(least=self.least, median=self.median),
            blocks=round(self.blocks, 3),
            skippable=self.skippable,
        )

    def words(self, unscored: Sequence[str]) -> str:
        """Return the counts as text, with the names of operations in no model."""
        text = f'Scoring on {self.models} models; each operation is in at least {self.least}'
        if self.skippable:
            text += f'; of {self.skippable} blocks they keep {self.blocks:.1f} on average'
        if unscored:
            text += f'; in no model within the limits, so dropped first: {", ".join(unscored)}'
        return text
