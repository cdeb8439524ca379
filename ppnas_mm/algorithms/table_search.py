"""Searches that query a benchmark's table instead of training: random and evolution."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..spaces.mixture import ArchPath
from ..tables import TABLES, TableError
from ..utils.registries import MODELS
from .untrained import UntrainedSearch, draw_within

METHODS = ('random', 'evolution')
DRAWS = 10_000


@MODELS.register_module()
class TableSearch(UntrainedSearch):
    """Query the accuracies of a benchmark's table and keep the best architecture seen.

    ``'evolution'`` is regularised evolution (Real et al., AAAI 2019, Algorithm 1): the best of
    ``sample`` members has a child, which differs in one operation, and the oldest member dies.

    Args:
        model: Config of the wrapped model; its backbone is a super-net of a space with a table.
        table: File or folder of the table.
        dataset: Data set whose accuracies are queried, such as ``'cifar10-val'``.
        method: ``'random'`` or ``'evolution'``.
        queries: Number of queries.
        population, sample: Of the evolution.
        limits, seed, **kwargs: See :class:`UntrainedSearch`.

    Raises:
        ConstraintError: If none of 10,000 draws is within the limits.
        TableError: If the table cannot be read, or has none of 10,000 draws.
        ValueError: If an option is out of range, or the space has no table.
    """

    def __init__(
        self,
        model: dict,
        table: str,
        dataset: str,
        method: str = 'evolution',
        queries: int = 300,
        population: int = 50,
        sample: int = 10,
        **kwargs: Any,
    ) -> None:
        if method not in METHODS or queries < 1 or not 1 <= sample <= population:
            raise ValueError(
                f'method={method!r}, queries={queries}, population={population}, '
                f'sample={sample}: expected one of {METHODS}, 1 or more, sample up to population'
            )
        super().__init__(model, **kwargs)
        space = self.super_net.space
        if space not in TABLES:
            raise ValueError(f'the space {space!r} has no table; with one: {sorted(TABLES)}')
        self.truth = TABLES[space].load(table)
        self.dataset = self.truth.dataset(dataset)
        self.method, self.queries = method, queries
        self.population, self.sample = population, sample

    def choose(self) -> ArchPath:
        """Return the best architecture of all queries, the first of equals."""
        rng = np.random.default_rng(self.draws.next())
        seen: list[tuple[float, ArchPath]] = []
        members: deque[tuple[float, ArchPath]] = deque(maxlen=self.population)
        while len(seen) < self.queries:
            if self.method == 'random' or len(members) < self.population:
                path = self._draw(rng)
            else:
                tournament = rng.choice(len(members), self.sample, replace=False)
                best = max((members[int(i)] for i in tournament), key=lambda member: member[0])
                path = self._child(best[1], rng)
            genotype = self.super_net.to_genotype(path)
            seen.append((self.truth.accuracy(genotype, self.dataset), path))
            members.append(seen[-1])
        accuracy, path = max(seen, key=lambda entry: entry[0])
        print_log(
            f'{self.method}, {len(seen)} queries: {accuracy:.2f} on {self.dataset}', 'current'
        )
        return path

    def _draw(self, rng: np.random.Generator) -> ArchPath:
        """Return a random architecture of the table, within the limits."""
        for _ in range(DRAWS):
            path = draw_within(self.super_net, rng, self.limits, constrained=False)
            if self._listed(path):
                return path
        raise TableError(f'{self.truth.name}: it has none of {DRAWS:,} random architectures')

    def _listed(self, path: ArchPath) -> bool:
        return self.super_net.to_genotype(path) in self.truth

    def _child(self, parent: ArchPath, rng: np.random.Generator) -> ArchPath:
        """Return a parent with one other operation, within the limits and in the table."""
        names = [n for n in parent if len(self.super_net.keepable(n)) > 1]
        if not names:
            return parent
        for _ in range(DRAWS):
            name = names[int(rng.integers(len(names)))]
            others = [i for i in self.super_net.keepable(name) if (i,) != parent[name]]
            child = {**parent, name: (int(rng.choice(others)),)}
            if self.limits.ok(child) and self._listed(child):
                return child
        return parent
