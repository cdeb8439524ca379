"""The strongest architecture within a limit on its cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..costs.limits import ConstraintError, Limits
from ..costs.looked_up import LookedUp
from ..spaces.mixture import ArchPath
from ..spaces.super_net import SuperNet
from .discretise import strongest

BINS = 4096


class _Row(NamedTuple):
    """A choice: its name, and index, cost and log-probability of each candidate."""

    name: str
    candidates: Sequence[tuple[int, float, float]]


def check_one_limit(net: SuperNet, limits: Limits) -> None:
    """Reject spaces and limits that :func:`strongest_within` cannot handle.

    Raises:
        ValueError: If the space also chooses connections, or there is not exactly one limit.
        ConstraintError: If no architecture is within it.
    """
    if any(choice.gates for choice in net.choices.values()):
        raise ValueError(
            f'limits: the space {net.space!r} also chooses connections; limits need '
            'a space of operations only'
        )
    if len(limits.bounds) != 1:
        raise ValueError(f'limits={limits.bounds}: expected exactly one of flops, params, latency')
    limits.check({name: net.keepable(name) for name in net.choices})


@torch.no_grad()
def strongest_within(net: SuperNet, limits: Limits) -> ArchPath:
    """Return the path within the limit that has the largest product of softmax weights.

    Costs add up over the choices, so this is a knapsack problem with one candidate per choice.
    Costs up to the limit are divided into :data:`BINS` bins, and only the strongest partial path in
    each bin is continued.  Exact costs are compared with the limit; binning can only miss the
    optimum by a small margin.

    Raises:
        ConstraintError: If no architecture within the limit was found.
    """
    path = strongest(net)
    if limits.ok(path):
        return path
    (limit,) = limits.limits
    table = limits.tables[limit.name]
    if isinstance(table, LookedUp):
        return _strongest_of_all(net, limits, table)
    low, high = (bound - table.fixed for bound in limit.range)
    rows = []
    for name in net.choices:
        alive = list(net.alive_candidates(name))
        shares = dict(zip(alive, net.arch[name][alive].log_softmax(0).tolist(), strict=True))
        kept = [(i, table.entries[name][i], shares[i]) for i in net.keepable(name)]
        rows.append(_Row(name, kept))
    found = _knapsack(rows, low, high)
    if found is None:
        raise ConstraintError(f'limits={limits.bounds}: no architecture within them was found')
    return {row.name: (i,) for row, i in zip(rows, found, strict=True)}


def _strongest_of_all(net: SuperNet, limits: Limits, table: LookedUp) -> ArchPath:
    """Return the strongest of all paths within a limit on a cost that is looked up."""
    shares = {}
    for name in net.choices:
        alive = list(net.alive_candidates(name))
        values = net.arch[name][alive].log_softmax(0).tolist()
        shares[name] = dict(zip(alive, values, strict=True))
    (limit,) = limits.limits
    within = (
        (sum(shares[name][i] for name, (i,) in path.items()), path)
        for path, cost in table.left({name: net.keepable(name) for name in net.choices})
        if limit.allows(cost)
    )
    found = max(within, key=lambda entry: entry[0], default=None)
    if found is None:
        raise ConstraintError(f'limits={limits.bounds}: no architecture within them was found')
    return found[1]


def _knapsack(rows: Sequence[_Row], low: float, high: float) -> tuple[int, ...] | None:
    """Return candidates with the largest sum of log-probabilities, at a cost of low to high."""
    least = [min(cost for _, cost, _ in row.candidates) for row in rows]
    most = [max(cost for _, cost, _ in row.candidates) for row in rows]
    width = max(min(high, sum(most)), 1e-12) / BINS
    partial: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]  # score, cost, path
    for r, row in enumerate(rows):
        rest_least, rest_most = sum(least[r + 1 :]), sum(most[r + 1 :])
        bins: dict[int, tuple[float, float, tuple[int, ...]]] = {}
        for score, cost, path in partial:
            for i, own, share in row.candidates:
                total = cost + own
                if total + rest_least > high or total + rest_most < low:
                    continue
                place = math.floor(total / width)
                if place not in bins or score + share > bins[place][0]:
                    bins[place] = (score + share, total, (*path, i))
        partial = list(bins.values())
    return max(partial)[2] if partial else None
