"""The time of a step from what it takes: three rates of a machine, fitted to measured steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from ..config.keys import ConfigError
from .step_counters import Counts


@dataclass(frozen=True)
class Rates:
    """How fast a machine computes steps.

    Attributes:
        flops: Floating-point operations a second; infinite where they take no time of their own.
        bandwidth: Bytes a second that operations read and write.
        overhead: Seconds of an operation, whatever its size.
    """

    flops: float
    bandwidth: float
    overhead: float

    def seconds(self, counts: Counts) -> float:
        """Return the time of a step: the sum of its FLOPs', its bytes' and its operations'."""
        computing = counts.flops / self.flops + counts.moved / self.bandwidth
        return computing + counts.operations * self.overhead

    def __str__(self) -> str:
        return (
            f'{self.flops / 1e9:.1f} GFLOPs a second, {self.bandwidth / 1e9:.2f} GB a second, '
            f'{self.overhead * 1e6:.0f} us an operation'
        )


def fit_rates(counts: Sequence[Counts], seconds: Sequence[float]) -> Rates:
    """Fit rates to measured steps: least squares of the relative errors, none negative.

    The non-negative solution is the plain one of those terms that it does not set to zero, so all
    seven subsets are tried.

    Args:
        counts: What the steps take, at least three.
        seconds: How long they took.

    Raises:
        ConfigError: If there are too few steps, or times that are not positive.
    """
    if len(counts) != len(seconds) or len(counts) < 3 or min(seconds) <= 0:
        raise ConfigError(
            f'{len(counts)} steps, times {list(seconds)}: expected three steps or more, each with '
            'a time above 0'
        )
    rows = [
        [c.flops / s, c.moved / s, c.operations / s] for c, s in zip(counts, seconds, strict=True)
    ]
    terms = torch.tensor(rows, dtype=torch.float64)
    scale = terms.norm(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    terms, ones = terms / scale, torch.ones(len(rows), 1, dtype=torch.float64)
    least, best = math.inf, torch.zeros(3, dtype=torch.float64)
    for size in (1, 2, 3):
        for chosen in map(list, combinations(range(3), size)):
            found = torch.linalg.lstsq(terms[:, chosen], ones).solution
            error = (terms[:, chosen] @ found - ones).square().sum().item()
            if found.min() >= 0 and error < least:
                least, best = error, torch.zeros_like(best)
                best[chosen] = found[:, 0]
    flop, byte, operation = (best / scale).tolist()
    return Rates(1 / flop if flop else math.inf, 1 / byte if byte else math.inf, operation)
