"""Limits on the cost of an architecture, as a search's config gives them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..spaces.mixture import ArchPath
from ..tables import LatencyTable
from .counting import flops_table, params_table
from .looked_up import LookedUp
from .table import UNITS, CostTable, super_net_of


class Limits:
    """The limits of a search, and the costs of architectures in their units.

    Args:
        model: The model whose backbone is the super-net; neck and head are included.
        input_shape: Of one image, ``(C, H, W)``; for multiply-adds.
        latency_table: File of ``tools/benchmark.py latency-table``, or with ``device`` a table of
            measured cells of NAS-Bench-201 (:class:`LatencyTable`); for latency.
        device: Device of such a table, such as ``'raspi4'``.
        **bounds: ``flops`` (multiply-adds), ``params`` or ``latency`` (milliseconds): the maximum,
            or a pair of minimum and maximum, either of which may be ``None``.

    Example:
        >>> limits = dict(flops=(300e6, 320e6), input_shape=(3, 224, 224))

    Raises:
        ValueError: If a bound is unknown or not a number, or an argument that its unit needs is
            missing.
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: Sequence[int] | None = None,
        latency_table: str | None = None,
        device: str | None = None,
        **bounds: Any,
    ) -> None:
        if not set(bounds) <= set(UNITS):
            raise ValueError(f'limits={bounds}: expected some of {sorted(UNITS)}')
        self.net = super_net_of(model)
        self.tables: dict[str, CostTable | LookedUp] = {}
        if 'params' in bounds or input_shape is not None:
            self.tables['params'] = params_table(model)
        if input_shape is not None:
            self.tables['flops'] = flops_table(model, input_shape)
        if device is not None and (latency_table is None or not isinstance(device, str)):
            raise ValueError(
                f"limits.device={device!r}: expected the name of a device, such as 'raspi4', with "
                'latency_table, the table that measured it'
            )
        if latency_table is not None and device is not None:
            measured = LatencyTable.load(latency_table, device)
            self.tables['latency'] = LookedUp(self.net, measured)
        elif latency_table is not None and str(latency_table).endswith(('.csv', '.csv.gz')):
            raise ValueError(
                f'limits.latency_table={latency_table!r}: a table of measured cells needs device, '
                "such as 'raspi4'"
            )
        elif latency_table is not None:
            self.tables['latency'] = CostTable.load(latency_table, self.net)
        needs = {'flops': 'input_shape', 'latency': 'latency_table'}
        for unit in bounds:
            if unit not in self.tables:
                raise ValueError(f'limits: {unit} needs {needs[unit]}')
        self.bounds = {unit: _pair(unit, value) for unit, value in bounds.items()}
        self.limits = [
            Limit(unit, low, high, self.tables[unit]) for unit, (low, high) in self.bounds.items()
        ]

    def ok(self, path: ArchPath) -> bool:
        """Return whether an architecture is within all limits."""
        return all(limit.ok(path) for limit in self.limits)

    def caps(self) -> list[Cap]:
        """Return the upper limits for scoring; the lower ones apply to the final selection only.

        A network near the minimum cost has lost most of its blocks, so it says nothing about the
        operations of the final network.  A cost that is looked up has no share of an operation, so
        models are drawn without regard to it and then compared with the limit (:meth:`below`).
        """
        tables = ((self.tables[unit], high) for unit, (_, high) in self.bounds.items())
        return [
            Cap(high - table.fixed, table.entries)
            for table, high in tables
            if high is not None and isinstance(table, CostTable)
        ]

    def below(self, path: ArchPath) -> bool:
        """Return whether an architecture is within the upper limits."""
        highs = [limit.range[1] for limit in self.limits]
        return all(limit.cost(path) <= high for limit, high in zip(self.limits, highs, strict=True))

    def listed(self) -> list[ArchPath] | None:
        """Return all paths within the limits, if a table lists the paths of its space."""
        for table in self.tables.values():
            if isinstance(table, LookedUp):
                alive = {name: self.net.keepable(name) for name in self.net.choices}
                return [path for path, _ in table.left(alive) if self.ok(path)]
        return None

    def costs(self, path: ArchPath) -> dict[str, float]:
        """Return the cost of an architecture in each unit that has a table."""
        return {unit: round(table(path), 6) for unit, table in sorted(self.tables.items())}

    def reachable(self, alive: Mapping[str, Sequence[int]]) -> bool:
        """Return whether the operations left can satisfy each limit on its own."""
        for unit, (low, high) in self.bounds.items():
            least, most = self._range(self.tables[unit], alive)
            if (high is not None and least > high) or (low is not None and most < low):
                return False
        return True

    def check(self, alive: Mapping[str, Sequence[int]]) -> None:
        """Raise :class:`ConstraintError` unless the operations left can satisfy each limit."""
        if not self.reachable(alive):
            costs = {unit: self._range(self.tables[unit], alive) for unit in self.bounds}
            raise ConstraintError(f'limits={self.bounds}: architectures of the space cost {costs}')

    def _range(
        self, table: CostTable | LookedUp, alive: Mapping[str, Sequence[int]]
    ) -> tuple[float, float]:
        """Return the minimum and maximum cost of architectures with the operations left."""
        if isinstance(table, LookedUp):
            return table.range(alive)
        least = most = table.fixed
        for nodes in self.net.layout.values():
            for node in nodes.values():
                rows = [[table.entries[op.name][i] for i in alive[op.name]] for op in node.ops]
                low, high = sorted(map(min, rows)), sorted(map(max, rows), reverse=True)
                edges = node.gates is not None and node.ops[0].source is not None
                keep = node.gates.keep if edges and node.gates is not None else None
                least += sum(low[: keep or (1 if edges else None)])
                most += sum(high[:keep])
        return least, most


def _pair(unit: str, value: Any) -> tuple[float | None, float | None]:
    low, high = value if isinstance(value, (tuple, list)) and len(value) == 2 else (None, value)
    numbers = [v for v in (low, high) if v is not None]
    good = all(isinstance(v, (int, float)) and not isinstance(v, bool) and v > 0 for v in numbers)
    if not numbers or not good or (len(numbers) == 2 and low > high):
        raise ValueError(f'limits.{unit}={value!r}: expected the maximum, or (minimum, maximum)')
    return low, high


LIMITS = ('flops', 'params', 'latency')


class ConstraintError(ValueError):
    """No architecture within the limits was found; the message gives the costs seen."""


@dataclass(frozen=True)
class Limit:
    """A range in which a cost of an architecture must lie.

    Args:
        name: ``'flops'``, ``'params'`` or ``'latency'``.
        low, high: Minimum and maximum cost, in the unit of ``cost``; ``None``: unbounded.
        cost: The cost of a path.

    Raises:
        ValueError: If the name is unknown, or the range is empty or unbounded on both sides.
    """

    name: str
    low: float | None
    high: float | None
    cost: Callable[[ArchPath], float]

    def __post_init__(self) -> None:
        if self.name not in LIMITS:
            raise ValueError(f'limit {self.name!r}: expected one of {LIMITS}')
        low, high = self.range
        if not low <= high or (low, high) == (-math.inf, math.inf):
            raise ValueError(
                f'limit {self.name}: low={self.low}, high={self.high}: expected one or both, '
                'low not above high'
            )

    @property
    def range(self) -> tuple[float, float]:
        """Minimum and maximum cost; infinite where unbounded."""
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high

    def allows(self, cost: float) -> bool:
        """Return whether a cost is in the range."""
        low, high = self.range
        return low <= cost <= high

    def ok(self, path: ArchPath) -> bool:
        """Return whether the path's cost is in the range."""
        return self.allows(self.cost(path))


@dataclass(frozen=True)
class Cap:
    """An upper limit on a cost that adds up over the choices.

    Attributes:
        most: Maximum total cost of the operations of a model.
        costs: The cost of each candidate, by choice.
    """

    most: float
    costs: Mapping[str, Sequence[float]]

    def keeps(self, model: Mapping[str, int]) -> bool:
        """Return whether a model costs at most that, up to rounding."""
        total = sum(self.costs[name][op] for name, op in model.items())
        return total <= self.most * (1 + 1e-12)
