"""Random draws that all processes make alike and that a resumed search goes on with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def new_draws(seed: int | None) -> Tensor:
    """Return seed and number of draws so far, to be kept as a buffer; ``None``: torch's seed."""
    return torch.tensor([torch.initial_seed() % 2**63 if seed is None else seed, 0])


def next_draw(draws: Tensor) -> np.random.SeedSequence:
    """Return the entropy of the next draw, and count it."""
    entropy = np.random.SeedSequence(draws.tolist())
    draws[1] += 1
    return entropy
