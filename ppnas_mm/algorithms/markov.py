"""The high-order Markov chain of operation states (EoiNAS, Section III-C, equations 11 and 12)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LiveDie(nn.Module):
    """For each operation the state X = (l, d), l + d = 1, and its transition matrix Q.

    An increase of the indicator adds ``epsilon`` to the column Live of Q and takes it from the
    column Die, a decrease does the opposite.  Rows of Q so keep their sum (c), and Q is a function
    of the count k of increases minus decreases: ``q_LL = .5 + e1 k``, ``q_DL = .5 + e2 k``.  One
    number for X and one for Q are all there is to store.  The letters in brackets are the rows of
    the table of ambiguities in ``docs/design.md``.

    Args:
        rows, columns: Size of the tables.
        epsilon: e1 and e2; both rows of Q move towards Live (d).
        max_count: Bound of \\|k\\|: Q stays within [0, 1] (b).
        deadband: Changes of the indicator up to this are none (e).
        sigma_start, sigma_end: The weights sigma_1..n of eq. 11, the newest first, before the first
            pruning and after the last; linear in the number of prunings between (h).
        pad: Whether the history before the start counts as X_0, Q_0; else the sigmas of the
            history at hand are scaled to the sum 1 (g).
        newest: Whether X takes the newest change of Q in, so that it counts at a pruning (i).

    Raises:
        ValueError: If the sigmas break eq. 12 or Q could leave [0, 1].
    """

    live: Tensor
    counts: Tensor
    known: Tensor

    def __init__(
        self,
        rows: int,
        columns: int,
        epsilon: Sequence[float] = (0.02, 0.01),
        max_count: int = 24,
        deadband: float = 1e-6,
        sigma_start: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
        sigma_end: Sequence[float] = (0.4, 0.3, 0.2, 0.1),
        pad: bool = False,
        newest: bool = True,
    ) -> None:
        super().__init__()
        for name, sigma in (('sigma_start', sigma_start), ('sigma_end', sigma_end)):
            if min(sigma) < 0 or abs(sum(sigma) - 1) > 1e-9 or len(sigma) != len(sigma_start):
                raise ValueError(f'{name}={sigma}: expected weights of one length and sum 1')
        if max_count * max(abs(e) for e in epsilon) > 0.5:
            raise ValueError(
                f'max_count={max_count}, epsilon={epsilon}: probabilities leave [0, 1]'
            )
        self.epsilon, self.max_count, self.deadband = tuple(epsilon), max_count, deadband
        self.sigma_start, self.sigma_end = (
            torch.tensor(s, dtype=torch.double) for s in (sigma_start, sigma_end)
        )
        self.pad, self.newest = pad, newest
        # the newest first
        shape = (len(sigma_start), rows, columns)
        self.register_buffer('live', torch.full(shape, 0.5, dtype=torch.double))
        self.register_buffer('counts', torch.zeros(shape, dtype=torch.double))
        self.register_buffer('known', torch.ones((), dtype=torch.long))

    @property
    def die(self) -> Tensor:
        """The probability d of Die, ``(rows, columns)``."""
        return 1 - self.live[0]

    def reset(self) -> None:
        """Forget everything."""
        self.live.fill_(0.5)
        self.counts.zero_()
        self.known.fill_(1)

    def step(self, change: Tensor, progress: float) -> None:
        """Do one step of the chain (eq. 11).

        Args:
            change: Change of the indicator, ``(rows, columns)``.
            progress: Share of the prunings that are done.
        """
        moved = torch.where(change.abs() > self.deadband, change.sign(), 0.0)
        now = (self.counts[0] + moved).clamp(-self.max_count, self.max_count)
        if self.newest:
            self.counts[0] = now
        to_live, to_live_from_die = (0.5 + e * self.counts for e in self.epsilon)
        arriving = self.live * to_live + (1 - self.live) * to_live_from_die
        live = torch.einsum('m,mrc->rc', self.sigmas(progress), arriving)
        self.live = torch.cat([live[None], self.live[:-1]])
        self.counts = torch.cat([now[None], self.counts[:-1]])
        self.known += 1

    def sigmas(self, progress: float) -> Tensor:
        """Return sigma_1..n (eq. 12)."""
        sigma = torch.lerp(self.sigma_start, self.sigma_end, progress).to(self.live.device)
        if not self.pad:
            sigma = torch.where(torch.arange(len(sigma)).to(self.known) < self.known, sigma, 0.0)
        return sigma / sigma.sum()
