"""Select the best architecture within limits by enumeration or evolution (SE-NAS, Section 4.3).

Genes are the choices of a path; the values of a gene are the tuples of candidates it may keep.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..costs.limits import ConstraintError, Limit
from ..spaces.mixture import ArchPath

Genes = Mapping[str, Sequence[tuple[int, ...]] | None]
Draw = Callable[[str, np.random.Generator], tuple[int, ...]]
Evaluate = Callable[[ArchPath], float]
Canonical = Callable[[ArchPath], ArchPath | None]


class Evaluated(NamedTuple):
    """An architecture (canonical), its accuracy, and its cost by the limits' names."""

    path: ArchPath
    accuracy: float
    costs: dict[str, float]


Progress = Callable[[int, Evaluated], None]


@dataclass(frozen=True)
class Selection:
    """What :func:`select` found.

    Args:
        path: The architecture of the highest accuracy; among equals the first evaluated.
        accuracy: Its accuracy.
        evaluated: All evaluated architectures, in order.
        method: ``'enumeration'`` or ``'evolution'``.
    """

    path: ArchPath
    accuracy: float
    evaluated: list[Evaluated]
    method: str


def space_size(genes: Genes) -> float:
    """Return the number of paths: the product over the genes; infinite if one is not listed."""
    return math.prod(math.inf if values is None else len(values) for values in genes.values())


def models_selected_from(genes: Genes, enumerate_up_to: int = 1000, **settings: Any) -> int:
    """Return the most architectures that :func:`select` evaluates with these arguments."""
    size, evolution = space_size(genes), Evolution(**settings)
    if size <= enumerate_up_to:
        return int(size)
    return evolution.population * evolution.generations


def enumerate_paths(genes: Genes, limit_count: int | None = None) -> Iterator[ArchPath]:
    """Yield every path once; the last gene varies fastest.

    Raises:
        ValueError: If a gene's values are not listed, or there are more than ``limit_count``.
    """
    listed = [values for values in genes.values() if values is not None]
    size, most = space_size(genes), math.inf if limit_count is None else limit_count
    if len(listed) < len(genes) or size > most:
        raise ValueError(f'{size:,} paths: expected genes with lists of values, at most {most:,}')
    return (dict(zip(genes, values, strict=True)) for values in itertools.product(*listed))


class _Record:
    """Architectures seen so far: each is costed once and evaluated at most once."""

    def __init__(
        self,
        evaluate: Evaluate,
        limits: Sequence[Limit],
        canonical: Canonical | None,
        progress: Progress | None,
    ) -> None:
        names = [limit.name for limit in limits]
        if len(set(names)) != len(names):
            raise ValueError(f'limits {names}: expected one for each name; it has a low and a high')
        self.evaluate, self.limits, self.progress = evaluate, limits, progress
        self.canonical = canonical or (lambda path: path)
        self.costs: dict[tuple, dict[str, float]] = {}
        self.evaluated: list[Evaluated] = []

    def admit(self, path: ArchPath) -> ArchPath | None:
        """Return the canonical path if it is within the limits and new, else ``None``."""
        architecture = self.canonical(path)
        if architecture is None or self._key(architecture) in self.costs:
            return None
        costs = {limit.name: float(limit.cost(architecture)) for limit in self.limits}
        self.costs[self._key(architecture)] = costs
        legal = all(limit.allows(costs[limit.name]) for limit in self.limits)
        return architecture if legal else None

    def score(self, architecture: ArchPath) -> float:
        """Evaluate an admitted architecture; return its accuracy."""
        accuracy = float(self.evaluate(architecture))
        if math.isnan(accuracy):
            raise ValueError(f'the accuracy of {dict(architecture)} is NaN: expected a number')
        entry = Evaluated(architecture, accuracy, self.costs[self._key(architecture)])
        self.evaluated.append(entry)
        if self.progress is not None:
            self.progress(len(self.evaluated), entry)
        return accuracy

    def refusal(self) -> ConstraintError:
        """Return an error that lists the limits and the range of costs seen."""
        texts = []
        for limit in self.limits:
            seen = [costs[limit.name] for costs in self.costs.values()]
            span = f'seen: {min(seen):,g} to {max(seen):,g}' if seen else 'seen: none'
            low, high = limit.range
            texts.append(f'{limit.name} from {low:,g} to {high:,g} ({span})')
        return ConstraintError(
            f'none of {len(self.costs):,} different architectures is within the limits '
            + ', '.join(texts)
        )

    @staticmethod
    def _key(path: ArchPath) -> tuple:
        return tuple(sorted(path.items()))


@dataclass(frozen=True)
class Evolution:
    """The settings of :func:`evolve`; the defaults are those of SPOS.

    Args:
        population: Architectures in a generation.
        generations: Number of generations, including the random first one.
        parents: Number of best architectures so far that have children.
        crossover: Number of children that take each gene from one of two parents.
        mutation: Number of children of one parent, with each gene redrawn with ``probability``.
        probability: See ``mutation``.
        tries: Failed proposals in a row after which crossover, mutation or random drawing stops for
            this generation (a hundred times as many in the first).

    Raises:
        ValueError: If a setting is out of range.
    """

    population: int = 50
    generations: int = 20
    parents: int = 10
    crossover: int = 25
    mutation: int = 25
    probability: float = 0.1
    tries: int = 250

    def __post_init__(self) -> None:
        for name in ('population', 'generations', 'parents', 'tries'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)}: expected 1 or more')
        if min(self.crossover, self.mutation) < 0 or (
            self.crossover + self.mutation > self.population
        ):
            raise ValueError(
                f'crossover={self.crossover}, mutation={self.mutation}: expected 0 or more, '
                f'together not above population={self.population}'
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(f'probability={self.probability}: expected 0 to 1')


def _collect(
    propose: Callable[[], ArchPath], number: int, record: _Record, tries: int
) -> list[tuple[ArchPath, ArchPath]]:
    """Return up to ``number`` new proposals and their canonical paths, all within the limits."""
    found: list[tuple[ArchPath, ArchPath]] = []
    failed = 0
    while len(found) < number and failed < tries:
        path = propose()
        architecture = record.admit(path)
        failed += 1
        if architecture is not None:
            found.append((path, architecture))
            failed = 0
    return found


def evolve(
    names: Sequence[str],
    draw: Draw,
    evaluate: Evaluate,
    limits: Sequence[Limit],
    rng: np.random.Generator,
    canonical: Canonical | None = None,
    progress: Progress | None = None,
    settings: Evolution | None = None,
) -> list[Evaluated]:
    """Search by evolution (SPOS, Algorithm 1); return all evaluated architectures, in order.

    The first generation is random; each later one has children of the best so far, filled up with
    random architectures if too few children are new and within the limits.  Only new architectures
    within the limits are evaluated.  The search ends early if it finds nothing new.

    Args:
        names, draw: The genes, and a function that draws a value of one.
        evaluate: Returns the accuracy of a canonical path; higher is better.
        limits: Limits that an architecture must satisfy.
        rng: Source of randomness.
        canonical: Returns the same path for equal architectures, for example without unread edges,
            or ``None`` if the path is not an architecture.
        progress: Called with the number of architectures evaluated so far and the latest one.
        settings: Sizes; ``None``: those of SPOS.

    Raises:
        ConstraintError: If the first generation has no architecture within the limits.
        ValueError: If two limits have the same name, or an accuracy is NaN.
    """
    record, s = _Record(evaluate, limits, canonical, progress), settings or Evolution()
    best: list[tuple[float, ArchPath]] = []  # with all genes, including those of unread edges

    def random() -> ArchPath:
        return {name: draw(name, rng) for name in names}

    def parent() -> ArchPath:
        return best[int(rng.integers(len(best)))][1]

    def crossed() -> ArchPath:
        one, two, mask = parent(), parent(), rng.random(len(names)) < 0.5
        return {n: (one if first else two)[n] for n, first in zip(names, mask, strict=True)}

    def mutated() -> ArchPath:
        one, mask = parent(), rng.random(len(names)) < s.probability
        return {n: draw(n, rng) if new else one[n] for n, new in zip(names, mask, strict=True)}

    current = _collect(random, s.population, record, 100 * s.tries)
    if not current:
        raise record.refusal()
    for _ in range(s.generations - 1):
        best = _breed(best, current, record, s.parents)
        current = _collect(crossed, s.crossover, record, s.tries)
        current += _collect(mutated, s.mutation, record, s.tries)
        current += _collect(random, s.population - len(current), record, s.tries)
        if not current:
            break
    _breed(best, current, record, s.parents)
    return record.evaluated


def _breed(
    best: list[tuple[float, ArchPath]],
    current: list[tuple[ArchPath, ArchPath]],
    record: _Record,
    number: int,
) -> list[tuple[float, ArchPath]]:
    """Evaluate a generation; return the best paths so far, among equals the first."""
    scored = [(record.score(architecture), path) for path, architecture in current]
    return sorted(best + scored, key=lambda entry: -entry[0])[:number]


def select(
    genes: Genes,
    draw: Draw | None,
    evaluate: Evaluate,
    limits: Sequence[Limit],
    rng: np.random.Generator,
    canonical: Canonical | None = None,
    size: float | None = None,
    enumerate_up_to: int = 1000,
    progress: Progress | None = None,
    **settings: Any,
) -> Selection:
    """Return the most accurate architecture within the limits.

    Args:
        genes: The possible values of each gene; ``None``: not listed, only drawn.
        draw: Draws a value of a gene; ``None``: uniformly from the listed values.
        evaluate, limits, rng, canonical, progress: See :func:`evolve`.
        size: Number of different architectures; ``None``: the number of paths (:func:`space_size`).
        enumerate_up_to: All architectures are evaluated if there are at most this many and all
            genes are listed; otherwise :func:`evolve` searches.
        **settings: Arguments of :class:`Evolution`, such as ``population`` and ``generations``.

    Raises:
        ConstraintError: If no architecture within the limits was found.
        ValueError: If a gene can neither be listed nor drawn, or a setting is out of range.
    """
    for name, values in genes.items():
        if (values is None and draw is None) or (values is not None and not len(values)):
            raise ValueError(f'gene {name!r} has no values: expected some, or None and a draw')
    evolution = Evolution(**settings)

    def uniform(name: str, rng: np.random.Generator) -> tuple[int, ...]:
        values = genes[name] or ()
        return values[int(rng.integers(len(values)))]

    listed = None not in genes.values()
    if listed and (space_size(genes) if size is None else size) <= enumerate_up_to:
        record = _Record(evaluate, limits, canonical, progress)
        for path in enumerate_paths(genes, None):
            architecture = record.admit(path)
            if architecture is not None:
                record.score(architecture)
        if not record.evaluated:
            raise record.refusal()
        evaluated, method = record.evaluated, 'enumeration'
    else:
        evaluated = evolve(
            list(genes), draw or uniform, evaluate, limits, rng, canonical, progress, evolution
        )
        method = 'evolution'
    best = max(evaluated, key=lambda entry: entry.accuracy)
    return Selection(best.path, best.accuracy, evaluated, method)
