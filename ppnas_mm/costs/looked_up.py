"""The latency of whole architectures, looked up in a table of measurements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from ..spaces.mixture import ArchPath
from ..spaces.super_net import SuperNet
from ..tables import LatencyTable, TableError


class LookedUp:
    """Milliseconds of a path from a benchmark's table, where costs do not add up.

    Args:
        net: A super-net of the table's space, with operations only.
        table: The table.

    Attributes:
        unit: ``'latency'``.
        fixed: 0: no part of the cost belongs to no choice.

    Raises:
        TableError: If the table is of another space, or lacks an architecture of the super-net.
    """

    unit = 'latency'
    fixed = 0.0

    def __init__(self, net: SuperNet, table: LatencyTable) -> None:
        if net.space != table.space:
            raise TableError(
                f'{table.name}: a table of {table.space!r}; the super-net searches {net.space!r}'
            )
        self.net, self.table = net, table
        names = list(net.choices)
        alive = {name: net.keepable(name) for name in names}
        self.costs = {
            kept: table(net.to_genotype({n: (i,) for n, i in zip(names, kept, strict=True)}))
            for kept in itertools.product(*(alive[name] for name in names))
        }

    def __call__(self, path: ArchPath) -> float:
        """Return the latency of a path.

        Raises:
            TableError: If it is not a whole architecture of the super-net.
        """
        kept = tuple(path[name][0] for name in self.net.choices if path.get(name))
        if kept not in self.costs:
            raise TableError(f'{self.table.name}: no latency of {dict(path)!r:.200}')
        return self.costs[kept]

    def left(self, alive: Mapping[str, Sequence[int]]) -> Iterator[tuple[ArchPath, float]]:
        """Yield each path of the candidates left, and its latency."""
        names = list(self.net.choices)
        for kept in itertools.product(*(alive[name] for name in names)):
            yield {n: (i,) for n, i in zip(names, kept, strict=True)}, self.costs[kept]

    def range(self, alive: Mapping[str, Sequence[int]]) -> tuple[float, float]:
        """Return the least and the most latency of paths of the candidates left."""
        costs = [cost for _, cost in self.left(alive)]
        return min(costs), max(costs)
