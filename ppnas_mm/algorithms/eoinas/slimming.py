"""When EoiNAS prunes operations, and which (Algorithm 1, lines 8 to 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...spaces.super_net import SuperNet


@dataclass(frozen=True)
class Plan:
    """The epochs (from 1) of a search.

    Attributes:
        warmup: Epochs at the start in which only the weights learn.
        begin: Epoch of the first pruning.
        interval: Epochs between prunings.
        step: Epochs that make a step of the Markov chain; the last of them may end with a pruning.
        last: Epoch of the last pruning, where each edge loses one operation a time.
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
        """Return whether the chain does a step after an epoch."""
        return epoch > self.warmup and (epoch - self.begin) % self.step == 0


class Slimming:
    """When operations are pruned, and which (EoiNAS, Algorithm 1, lines 8 to 10).

    Args:
        begin: Epoch (from 1) of the first pruning; ``None``: so that the last is after the last
            epoch.
        interval: Epochs between prunings; ``None``: as many as there is room for after a warm-up
            of as many (20 of the paper's 160).
        step: Epochs that make a step of the Markov chain; ``None``: see :class:`EoiNAS` (a).
        none_first: Whether what no architecture may hold (``none``) goes first; else it competes,
            but goes at the last pruning in any case (n), so that every edge keeps an operation (o).
        keep_moments: Whether Adam's moments of alpha are kept at a pruning (s).

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
        """Return the epochs of a search; what was not given follows from its length.

        Args:
            epochs: Number of epochs of the search.
            prunings: How often each edge loses an operation.
            warmup: Epochs of warm-up; ``None``: those before the first interval.
            step: Epochs of a step of the chain where :attr:`step` is none; ``None``: the interval.

        Raises:
            ValueError: If steps do not fill the interval, or no importance is known when the first
                pruning is due.
        """
        interval = self.interval or max(1, epochs // (prunings + 1))
        begin = self.begin or max(1, epochs - (prunings - 1) * interval)
        warmup = max(0, begin - interval) if warmup is None else warmup
        step = self.step or step or interval
        if interval % step:
            raise ValueError(f'slimming.step={step}: does not divide slimming.interval={interval}')
        if self.begin is not None and self.begin <= warmup:
            raise ValueError(
                f'slimming.begin={begin}: within the {warmup} epochs of warm-up, in which no '
                'importance is known'
            )
        return Plan(warmup, begin, interval, step, begin + (prunings - 1) * interval)

    def check(self, plan: Plan, epochs: int) -> None:
        """Check that the last pruning ends a search of ``epochs`` epochs.

        Raises:
            ValueError: If not; it names the keys and says what would be right.
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
        """Return what to prune, the name of a choice and a candidate for each edge with a choice.

        States of edges do not compare, so each edge loses its own worst (q); of equally inferior
        operations the one of lowest importance goes, then that of lowest index (r).

        Args:
            net: The super-net.
            die: For each choice, the probability of Die of its candidates.
            importance: For each choice, the indicator of its candidates.
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
