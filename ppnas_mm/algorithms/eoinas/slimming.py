"""When EoiNAS prunes operations, and which (Algorithm 1, lines 8 to 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...spaces.super_net import SuperNet


@dataclass(frozen=True)
class Plan:
    """The epochs (from 1) of a search.

    Attributes:
        warmup: Number of epochs at the start that train only the weights.
        begin: Epoch of the first pruning.
        interval: Epochs between prunings.
        step: Epochs per step of the Markov chain; the last of them may end with a pruning.
        last: Epoch of the last pruning, if each pruning removes one operation per edge.
    """

    warmup: int
    begin: int
    interval: int
    step: int
    last: int

    def due(self, epoch: int) -> bool:
        """Return whether operations are pruned after an epoch."""
        return epoch >= self.begin and (epoch - self.begin) % self.interval == 0

    def steps(self, epoch: int) -> bool:
        """Return whether the chain takes a step after an epoch."""
        return epoch > self.warmup and (epoch - self.begin) % self.step == 0


class Slimming:
    """When operations are pruned, and which (EoiNAS, Algorithm 1, lines 8 to 10).

    Args:
        begin: Epoch (from 1) of the first pruning; ``None``: chosen so that the last pruning is
            after the last epoch.
        interval: Epochs between prunings; ``None``: as many as fit after a warm-up of the same
            length (20 of the paper's 160).
        step: Epochs per step of the Markov chain; ``None``: see :class:`EoiNAS` (a).
        none_first: Whether to prune first what no architecture may contain (``none``); otherwise it
            competes, but is always gone by the last pruning (n), so that every edge keeps an
            operation (o).
        keep_moments: Whether to keep Adam's moments of alpha at a pruning (s).

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        begin: int | None = None,
        interval: int | None = None,
        step: int | None = None,
        none_first: bool = False,
        keep_moments: bool = True,
    ) -> None:
        for name, value in (('begin', begin), ('interval', interval), ('step', step)):
            if value is not None and value < 1:
                raise ValueError(f'slimming.{name}={value}: below 1')
        self.begin, self.interval, self.step = begin, interval, step
        self.none_first, self.keep_moments = none_first, keep_moments

    def plan(self, epochs: int, prunings: int, warmup: int | None, step: int | None) -> Plan:
        """Return the epochs of a search; missing settings follow from its length.

        Args:
            epochs: Number of epochs of the search.
            prunings: Number of times that each edge loses an operation.
            warmup: Epochs of warm-up; ``None``: those before the first interval.
            step: Epochs per step of the chain if :attr:`step` is ``None``; ``None``: the interval.

        Raises:
            ValueError: If ``step`` does not divide the interval, or the first pruning is due before
                any importance is known.
        """
        interval = self.interval or max(1, epochs // (prunings + 1))
        begin = self.begin or max(1, epochs - (prunings - 1) * interval)
        warmup = max(0, begin - interval) if warmup is None else warmup
        step = self.step or step or interval
        if interval % step:
            raise ValueError(f'slimming.step={step}: does not divide slimming.interval={interval}')
        if self.begin is not None and self.begin <= warmup:
            raise ValueError(
                f'slimming.begin={begin}: within the {warmup} epochs of warm-up, when no '
                'importance is known'
            )
        return Plan(warmup, begin, interval, step, begin + (prunings - 1) * interval)

    def check(self, plan: Plan, epochs: int) -> None:
        """Check that the last pruning ends a search of ``epochs`` epochs.

        Raises:
            ValueError: If not; the message names the keys and the right values.
        """
        if plan.last < plan.begin:  # no choice has two operations
            return
        if plan.last == epochs and plan.begin > plan.warmup:
            return
        between = plan.last - plan.begin
        if self.begin is None and self.interval is None:
            raise ValueError(
                f'train_cfg.max_epochs={epochs}: too few for {between // plan.interval + 1} '
                f'prunings after {plan.warmup} epochs of warm-up (warmup_epochs)'
            )
        hint = f', or slimming.begin={epochs - between}' if between < epochs else ''
        raise ValueError(
            f'slimming.begin={plan.begin}, slimming.interval={plan.interval}: the last pruning is '
            f'after epoch {plan.last}, the run has {epochs} epochs; leave both out{hint}'
        )

    def worst(
        self, net: SuperNet, die: Mapping[str, list[float]], importance: Mapping[str, list[float]]
    ) -> list[tuple[str, int]]:
        """Return what to prune: a choice and a candidate for each edge that still has a choice.

        States of different edges are not comparable, so each edge loses its own worst operation
        (q).  Ties are broken by lowest importance, then by lowest index (r).

        Args:
            net: The super-net.
            die: The probability of Die of each candidate, by choice.
            importance: The indicator of each candidate, by choice.
        """

        chosen: list[tuple[str, int]] = []
        for name in die:
            keepable, alive = set(net.keepable(name)), set(net.alive_candidates(name))

            ranked = sorted(
                (i in keepable or not self.none_first, -die[name][i], importance[name][i], i)
                for i in alive
                if (alive - {i}) & keepable
            )
            chosen += [(name, i) for *_, i in ranked[:1]]
        return chosen
