"""The score function: a gradient of alpha from the losses of sampled architectures.

Williams, Simple statistical gradient-following algorithms, 1992; with several samples, each is
compared with the mean of the others (Kool et al., Buy 4 REINFORCE samples, get a baseline for free,
2019).  The gradient through an operation's output asks whether that output should be larger; this
one asks whether architectures with the operation are better.

A few broken architectures have losses far above all others, and decide most of this gradient.
Ranks (Wierstra et al., Natural Evolution Strategies, 2014) count every comparison alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..spaces.mixture import Choice, Relaxed, Weights
from .draws import Draws
from .op_table import OpTable

ADVANTAGES = ('loss', 'rank')


class Drawn:
    """The drawn operations; all connections are kept (GDAS, eq. 4 sums over them)."""

    def __init__(self, weights: Mapping[str, Weights]) -> None:
        self.weights = weights

    def __call__(self, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
        """Return the operation drawn for a choice; learned connections get normalised weights."""
        if choice.name in self.weights:
            return self.weights[choice.name]
        return connections(choice, parameter, alive)


def connections(choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
    """Return all connections, with normalised weights if they are learned."""
    return Weights(alive) if parameter is None else Relaxed()(choice, parameter, alive)


def gumbel(draws: Draws, shape: torch.Size) -> Tensor:
    """Return the next standard Gumbel noise, on the CPU, the same in all processes."""
    entropy = draws.next().generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(entropy[0] >> 1))
    while True:  # a draw of exactly zero is possible and gives infinity
        noise = -torch.empty(shape).exponential_(generator=generator).log()
        if bool(noise.isfinite().all()):
            return noise


@torch.no_grad()
def sample(table: OpTable, draws: Draws) -> tuple[Drawn, Tensor]:
    """Draw an operation for each choice by the softmax of alpha.

    Returns:
        The mixture and the drawn columns, ``(choices,)``.
    """
    logits = table.logits().log_softmax(1)
    columns = (logits + gumbel(draws, logits.shape).to(logits.device)).argmax(1)
    kept = zip(table.choices, columns.tolist(), strict=True)
    return Drawn({choice.name: Weights((i,)) for choice, i in kept}), columns


def likelihood(table: OpTable, columns: Tensor) -> Tensor:
    """Return the log-probability of drawn columns, with a gradient for alpha."""
    return table.logits().log_softmax(1).gather(1, columns[:, None]).sum()


def check_advantage(advantage: str, samples: int) -> None:
    """Raise ``ValueError`` if :func:`score_loss` cannot compare samples so."""
    if advantage not in ADVANTAGES or samples < 2:
        raise ValueError(
            f'advantage={advantage!r}, samples={samples}: expected one of {ADVANTAGES}, 2 or more'
        )


def score_loss(losses: Tensor, likelihoods: Tensor, advantage: str = 'loss') -> Tensor:
    """Return a loss with the value of the mean loss and the score function as its gradient.

    Args:
        losses: Of two or more samples on the same batch, ``(samples,)``, without a gradient.
        likelihoods: Log-probability of each.
        advantage: ``'loss'``: each loss is compared with the mean of the others; ``'rank'``: with
            each of the others, by its sign.
    """
    differences = losses[:, None] - losses
    if advantage == 'rank':
        differences = differences.sign()
    surrogate = (differences.sum(1) / (len(losses) - 1) * likelihoods).mean()
    return surrogate - surrogate.detach() + losses.mean()
