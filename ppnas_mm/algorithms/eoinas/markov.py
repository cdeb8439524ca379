"""The high-order Markov chain of operation states (EoiNAS, Section III-C, equations 11 and 12)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

READINGS = ('edge', 'before')
MAX_COUNT = 24
"""Bound of \\|k\\|: Q stays within [0, 1] (b)."""
DEADBAND = 1e-6
"""Smaller differences of the indicator are ignored (e)."""
SIGMA_START, SIGMA_END = (0.25, 0.25, 0.25, 0.25), (0.4, 0.3, 0.2, 0.1)
"""The weights sigma_1..4 of eq. 11, newest first, before the first pruning and after the last; in
between they are linear in the number of prunings (h)."""


class LiveDie(nn.Module):
    """The state X = (l, d), l + d = 1, and the transition matrix Q of each operation.

    "As the indicator of importance increases" ``epsilon`` moves from the column Die of Q to the
    column Live, and back as it decreases; ``against`` sets what the indicator is compared with.
    Rows of Q therefore keep their sum (c), and Q depends only on the number k of increases minus
    decreases: ``q_LL = .5 + e1 k``, ``q_DL = .5 + e2 k``.  X and Q each need only one stored
    number.  Letters in brackets refer to rows of ``docs/explanation/decisions.md``.

    Args:
        rows, columns: Size of the tables.
        against: ``'edge'``: an indicator has increased if it is above the mean of the operations
            alive on its edge; ``'before'``: if it is above its value at the step before, or, at the
            first step, above the uniform start, which is that mean (e).
        epsilon: e1 and e2; both rows of Q move towards Live (d).

    Raises:
        ValueError: If ``against`` is unknown or Q could leave [0, 1].
    """

    before: Tensor
    live: Tensor
    counts: Tensor
    known: Tensor

    def __init__(
        self,
        rows: int,
        columns: int,
        against: str = 'edge',
        epsilon: Sequence[float] = (0.02, 0.01),
    ) -> None:
        super().__init__()
        if against not in READINGS:
            raise ValueError(f'chain.against={against!r}: expected one of {READINGS}')
        if MAX_COUNT * max(abs(e) for e in epsilon) > 0.5:
            raise ValueError(
                f'chain.epsilon={epsilon}: probabilities leave [0, 1] after {MAX_COUNT} steps; '
                f'expected numbers up to {0.5 / MAX_COUNT:.4f}'
            )
        self.against, self.epsilon = against, tuple(epsilon)
        # the indicator at the step before; below 0: none yet
        self.register_buffer('before', torch.full((rows, columns), -1.0, dtype=torch.double))
        # the newest first
        shape = (len(SIGMA_START), rows, columns)
        self.register_buffer('live', torch.full(shape, 0.5, dtype=torch.double))
        self.register_buffer('counts', torch.zeros(shape, dtype=torch.double))
        self.register_buffer('known', torch.ones((), dtype=torch.long))

    @property
    def die(self) -> Tensor:
        """The probability d of Die, ``(rows, columns)``."""
        return 1 - self.live[0]

    def step(self, indicator: Tensor, alive: Tensor, progress: float) -> None:
        """Advance the chain by one step (eq. 11).

        Args:
            indicator: I of the operations alive, 0 for the others, ``(rows, columns)``.
            alive: Mask of the operations that were not pruned.
            progress: Fraction of the prunings that are done.
        """
        change = indicator - self._reference(indicator, alive)
        moved = torch.where(alive & (change.abs() > DEADBAND), change.sign(), 0.0)
        now = (self.counts[0] + moved).clamp(-MAX_COUNT, MAX_COUNT)
        self.counts[0] = now  # so that a pruning uses the newest change (i)
        to_live, to_live_from_die = (0.5 + e * self.counts for e in self.epsilon)
        arriving = self.live * to_live + (1 - self.live) * to_live_from_die
        # term by term, so that equal histories give bitwise equal results and ties stay ties
        live = sum(s * term for s, term in zip(self.sigmas(progress), arriving, strict=True))
        self.live = torch.cat([torch.as_tensor(live)[None], self.live[:-1]])
        self.counts = torch.cat([now[None], self.counts[:-1]])
        self.known += 1
        self.before = indicator.clone()

    def _reference(self, indicator: Tensor, alive: Tensor) -> Tensor:
        """Return what the indicator is compared with.

        S and beta each sum to 1 over an edge, so the mean of its n indicators is the uniform start,
        (1 + lambda) / n.
        """
        mean = indicator.sum(1, keepdim=True) / alive.sum(1, keepdim=True)
        if self.against == 'edge':
            return mean
        return torch.where(self.before < 0, mean, self.before)

    def sigmas(self, progress: float) -> Tensor:
        """Return sigma_1..n (eq. 12), those of the known history scaled to the sum 1 (g)."""
        start, end = (torch.tensor(s, dtype=torch.double) for s in (SIGMA_START, SIGMA_END))
        sigma = torch.lerp(start, end, progress).to(self.live.device)
        sigma = torch.where(torch.arange(len(sigma)).to(self.known) < self.known, sigma, 0.0)
        return sigma / sigma.sum()
