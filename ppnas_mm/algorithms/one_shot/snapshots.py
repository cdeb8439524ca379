"""Average a model's weights over several steps (SE-NAS, eq. 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Snapshots:
    """Running mean of parameters and of running statistics over evenly spaced steps.

    The paper specifies neither number nor spacing; here the last of ``count`` snapshots is taken at
    the last step.

    Args:
        model: The model to average; its ``state_dict`` keys must not change between two snapshots.
        count: Number of snapshots K; 1: no averaging.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        if count < 1:
            raise ValueError(f'snapshots={count}: expected 1 or more')
        self.model, self.count = model, count
        self.taken = 0
        self.mean: dict[str, Tensor] = {}

    def forget(self) -> None:
        """Discard all snapshots."""
        self.taken, self.mean = 0, {}

    def step(self, done: int, steps: int) -> None:
        """Take a snapshot if one is due after ``done`` of ``steps`` steps."""
        if done * self.count // steps > (done - 1) * self.count // steps:
            self._take()

    @torch.no_grad()
    def _take(self) -> None:
        now = {k: v for k, v in self.model.state_dict().items() if v.is_floating_point()}
        self.taken += 1
        if self.taken == 1:
            self.mean = {key: value.detach().float().clone() for key, value in now.items()}
            return
        for key, value in now.items():
            self.mean[key].lerp_(value.detach().float(), 1 / self.taken)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its mean weights within the context; without snapshots, keep its own."""
        state = self.model.state_dict()
        kept = {key: state[key].clone() for key in self.mean}
        self._fill(self.mean)
        try:
            yield
        finally:
            self._fill(kept)

    @torch.no_grad()
    def _fill(self, values: dict[str, Tensor]) -> None:
        state = self.model.state_dict()
        for key, value in values.items():
            state[key].copy_(value)
