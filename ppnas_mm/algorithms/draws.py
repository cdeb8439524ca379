"""Random draws that all processes make alike and that a resumed search goes on with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


class Draws(nn.Module):
    """Seed and number of draws so far, as a buffer ``state`` that a checkpoint keeps.

    The buffer stays on the host wherever the model goes: each draw reads it, and a read from a GPU
    waits for all work in its queue.

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
        """Return the entropy of the next draw, and count it."""
        entropy = np.random.SeedSequence(self.state.tolist())
        self.state[1] += 1
        return entropy
