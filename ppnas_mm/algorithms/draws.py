"""Random draws that are the same in all processes and that a resumed search continues."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


class Draws(nn.Module):
    """Seed and number of draws so far, in a buffer ``state`` that checkpoints contain.

    The buffer stays on the CPU when the model moves, because each draw reads it and a read from a
    GPU waits for all queued work.

    Args:
        seed: The seed; ``None`` takes torch's.
    """

    state: Tensor

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        given = torch.initial_seed() % 2**63 if seed is None else seed
        self.register_buffer('state', torch.tensor([given, 0], device='cpu'))

    def _apply(self, fn: Callable, recurse: bool = True) -> Draws:
        return self

    def next(self) -> np.random.SeedSequence:
        """Return the entropy of the next draw and count the draw."""
        entropy = np.random.SeedSequence(self.state.tolist())
        self.state[1] += 1
        return entropy
