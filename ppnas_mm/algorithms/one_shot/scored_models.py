"""Which models the importance of operations is measured on (SE-NAS, Section 3.3, equation 5).

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
"""Times that the sampler within caps draws each choice anew, from the cheapest model on."""

Alive = Mapping[str, Sequence[int]]
Model = dict[str, int]
Spot = tuple[str, int]


def check_alive(alive: Alive) -> None:
    """Raise ``ValueError`` where no operation is left, or one is named twice."""
    if not alive:
        raise ValueError('alive is empty: expected the operations left for each choice')
    for name, ops in alive.items():
        if not ops or len(set(ops)) != len(ops):
            raise ValueError(f'alive[{name!r}]={list(ops)}: expected one or more different indices')


def _even(ops: Sequence[int], number: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``number`` operations in random order; counts differ by one at most."""
    rounds, rest = divmod(number, len(ops))
    return rng.permutation(np.r_[np.tile(ops, rounds), rng.permutation(ops)[:rest]])


def _evenly(
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
    """Draw models as :func:`stratified_models` would, given that they keep all caps.

    Many Gibbs samplers side by side, one a model: each starts at the cheapest model and draws one
    choice after the other anew, among the operations that keep the caps.  So models do not have to
    be drawn until one happens to be cheap.

    Args:
        alive: The operations left, for each choice.
        number: How many models.
        rng: Source of randomness.
        caps: The upper limits.
        identity: Index of the identity in each choice that has one, where numbers of identities
            shall be as likely as each other (before the caps).

    Returns:
        ``number`` models, or none if not even the cheapest ones keep the caps.
    """
    free = {
        name: list(alive[name]).index(i)
        for name, i in (identity or {}).items()
        if i in alive[name] and len(alive[name]) > 1
    }
    costs = {
        name: np.array([[cap.costs[name][i] / cap.most for i in ops] for cap in caps])
        for name, ops in alive.items()
    }  # (caps, operations), as shares of what is allowed
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
    """Return the columns of a model that keeps all caps: the cheapest by one of them, or by all."""
    caps = range(len(next(iter(costs.values()))))
    for by in (*caps, None):
        found = {n: int((c.max(0) if by is None else c[by]).argmin()) for n, c in costs.items()}
        if (np.sum([costs[n][:, i] for n, i in found.items()], 0) <= 1 + 1e-12).all():
            return found
    return None


def _balanced(skipped: np.ndarray, free: int, ops: int, identity: int) -> np.ndarray:
    """Return weights ``(models, ops)`` of a choice that make all numbers of identities as likely.

    ``k`` identities among ``free`` choices have one of ``comb(free, k)`` places, and the operations
    of the other choices are equally likely.
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
    caps: Sequence[Cap] = (),
    sampler: str = 'uniform',
    identity: Mapping[str, int] | None = None,
) -> list[Model]:
    """Draw models for eq. 5 that all operations share, each in ``per_op`` of them or more.

    Within a choice all operations are drawn equally often (to one), in random order, as in a
    Latin hypercube.  Where the space has no more models than that takes, all are returned once.

    Args:
        alive: The operations left, for each choice.
        per_op: Models that contain an operation (the paper: 1000).
        rng: Source of randomness.
        caps: Upper limits that all models keep ("dumps models that don't satisfy FLOPs
            constraint").  Then models are drawn given that they do (:func:`within_caps`), and more
            with each operation that is short.  An operation that no model within the caps can hold
            is in none.
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
    """What was drawn to score operations.

    Attributes:
        models: How many models.
        least, median: Models that hold an operation, over all that were in any.
        unscored: Operations that are in none.
        blocks: Choices of a model that hold no identity, in the mean, of those that could.
        skippable: Choices that could.
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
        """Count models; an operation of a choice without another counts, too."""
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
        """Return the numbers, for the record of a search."""
        return dict(
            models=self.models,
            models_per_op=dict(least=self.least, median=self.median),
            blocks=round(self.blocks, 3),
            skippable=self.skippable,
        )

    def words(self, unscored: Sequence[str]) -> str:
        """Return them in words, with the names of what is in no model."""
        text = f'Scoring on {self.models} models; an operation is in {self.least} or more of them'
        if self.skippable:
            text += f'; of {self.skippable} blocks they keep {self.blocks:.1f} in the mean'
        if unscored:
            text += f'; in no model within the limits, so dropped first: {", ".join(unscored)}'
        return text
