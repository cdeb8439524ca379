"""When EoiNAS prunes operations, and which (Algorithm 1, lines 8 to 10)."""

from __future__ import annotations

from collections.abc import Mapping

from ..spaces.base import SuperNet


class Slimming:
    """When operations are pruned, and which (EoiNAS, Algorithm 1, lines 8 to 10).

    Args:
        begin: Epoch (from 1) of the first pruning.
        interval: Epochs between prunings.
        step: Epochs that make a step of the Markov chain (a).
        renormalise: Whether, after a pruning, the next indicator is compared with that of the
            survivors among themselves (f).
        reset: Whether the states start anew after a pruning (p).
        scope: ``'edge'``: each edge loses one operation a time; ``'all'``: as many in all as edges
            have a choice, the worst of all, never the last of one, so it takes more prunings (q:
            states of edges do not compare).
        tie: Which of equally inferior operations goes: the one of lowest ``'importance'``, then of
            lowest index, or that of lowest ``'index'`` (r).
        none_first: Whether what no architecture may hold (``none``) goes first; else it competes,
            but goes at the last pruning in any case (n), so that every edge keeps an operation (o).
        keep_moments: Whether Adam's moments of alpha are kept at a pruning (s).

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        begin: int = 40,
        interval: int = 20,
        step: int = 1,
        renormalise: bool = True,
        reset: bool = False,
        scope: str = 'edge',
        tie: str = 'importance',
        none_first: bool = False,
        keep_moments: bool = True,
    ) -> None:
        if min(begin, interval, step) < 1:
            raise ValueError(f'slimming: begin={begin}, interval={interval}, step={step}: below 1')
        if scope not in ('edge', 'all') or tie not in ('importance', 'index'):
            raise ValueError(
                f"slimming: scope={scope!r}, tie={tie!r}: expected 'edge' or 'all', and "
                "'importance' or 'index'"
            )
        self.begin, self.interval, self.step = begin, interval, step
        self.renormalise, self.reset = renormalise, reset
        self.scope, self.tie = scope, tie
        self.none_first, self.keep_moments = none_first, keep_moments

    def due(self, epoch: int) -> bool:
        """Return whether operations are pruned after an epoch."""
        return epoch >= self.begin and (epoch - self.begin) % self.interval == 0

    def worst(
        self, net: SuperNet, die: Mapping[str, list[float]], importance: Mapping[str, list[float]]
    ) -> list[tuple[str, int]]:
        """Return what to prune: names of choices and candidates.

        Args:
            net: The super-net.
            die: For each choice, the probability of Die of its candidates.
            importance: For each choice, the indicator of its candidates.
        """

        def rank(spot: tuple[str, int]) -> tuple:
            name, i = spot
            early = self.none_first and i not in net.keepable(name)
            tie = importance[name][i] if self.tie == 'importance' else 0.0
            return not early, -die[name][i], tie, i

        left = {name: set(net.alive_candidates(name)) for name in die}
        groups = [[name] for name in left] if self.scope == 'edge' else [list(left)]
        chosen: list[tuple[str, int]] = []
        for group in groups:
            most = sum(len(left[name]) > 1 for name in group)
            found: list[tuple[str, int]] = []
            for name, i in sorted(((n, i) for n in group for i in left[n]), key=rank):
                if len(found) < most and (left[name] - {i}) & set(net.keepable(name)):
                    left[name].remove(i)
                    found.append((name, i))
            chosen += found
        return chosen
