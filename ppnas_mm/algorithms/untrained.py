"""Searches that choose before any training; what they choose may be trained afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from torch import Tensor

from ..costs.limits import ConstraintError, Limits
from ..spaces.mixture import ArchPath, Fixed
from ..spaces.super_net import SuperNet
from .accuracy import BatchAccuracy
from .bilevel import BilevelSearch
from .draws import Draws


def draw_within(
    net: SuperNet,
    rng: np.random.Generator,
    limits: Limits,
    constrained: bool = True,
    free: bool = False,
) -> ArchPath:
    """Draw a path within limits; see :meth:`SuperNet.random_genotype` for the other arguments.

    If no draw is within them, one is drawn from a table that lists all paths, if there is one.

    Raises:
        ConstraintError: If none of 10,000 draws is within the limits.
    """
    seen = []
    for _ in range(10_000):
        path = net.to_path(net.random_genotype(rng, constrained, free))
        if limits.ok(path):
            return path
        seen.append(limits.costs(path))
    if rare := limits.listed():
        return rare[int(rng.integers(len(rare)))]
    spans = ', '.join(
        f'{unit} {min(c[unit] for c in seen):,g} to {max(c[unit] for c in seen):,g}'
        for unit in limits.bounds
    )
    raise ConstraintError(f'none of {len(seen):,} draws is within {limits.bounds}; seen: {spans}')


def is_free(operations: str) -> bool:
    """Return whether operations are drawn uniformly; raises ``ValueError`` for another word."""
    if operations not in ('authors', 'free'):
        raise ValueError(f"operations={operations!r}: expected 'authors' or 'free'")
    return operations == 'free'


class UntrainedSearch(BilevelSearch):
    """Base of searches that choose a path first, in :meth:`choose`.

    In ``ppnas_mm.ChooseLoop`` nothing is trained, and the result has no weights; in
    ``ppnas_mm.SearchLoop`` the network chosen is trained on the half ``train``.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        limits: Limits on the architecture, see :class:`Limits`; ``None``: none.
        seed: Seed of the draws; ``None`` takes torch's, which follows the search's ``--seed``.
        **kwargs: See :class:`SearchAlgorithm`.
    """

    chosen: Tensor
    accuracy: float | None
    uses = ('train',)

    def __init__(
        self, model: dict, limits: dict | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(model, **kwargs)
        self.limits = Limits(self.model, **(limits or {}))
        self.limits.check({name: self.super_net.keepable(name) for name in self.super_net.choices})
        self.draws = Draws(seed)
        self.super_net.arch.requires_grad_(False)
        self.measure, self.accuracy = BatchAccuracy(self.model), None
        self.register_buffer('chosen', torch.zeros_like(self.super_net.alive))

    def choose(self) -> ArchPath:
        """Return the architecture to keep."""
        raise NotImplementedError

    def optim_parts(self) -> dict[str, list[torch.nn.Parameter]]:
        """Return the parameters of the only optimizer, that of the weights."""
        return {'weights': super().optim_parts()['weights']}

    def decide(self, strict: bool) -> ArchPath:
        """Return the path chosen; the first call chooses it."""
        net = self.super_net
        if not self.chosen.any():
            for name, kept in self.choose().items():
                self.chosen[[net.starts[name] + i for i in kept]] = True
        path = {
            name: tuple(i for i in range(len(c.candidates)) if self.chosen[net.starts[name] + i])
            for name, c in net.choices.items()
        }
        return {name: kept for name, kept in path.items() if kept}

    def before_epoch(self, epoch: int) -> None:
        """Predict as the path chosen."""
        self.predict_as(Fixed(self.decide(strict=False)))

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the weights of the path chosen."""
        batch = self.half(data, 'train')
        with optim_wrapper.optim_context(self):
            loss = self.task_loss(batch)
        optim_wrapper.update_parts(loss, ['weights'], average=True)
        return {'loss': loss.detach(), 'loss_task': loss.detach()}

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        """Measure the accuracy on the half ``val`` after the last epoch."""
        if epoch != self.epochs or self.loaders is None:
            return
        self.model.eval()
        mean = self.measure.mean(self.loaders['val'])
        all_reduce(mean, 'mean')
        self.accuracy = float(mean)

    def details(self) -> dict[str, Any]:
        """Return the accuracy on the half ``val`` of the network trained to the end."""
        known = self.accuracy is not None
        return {'metrics': {'accuracy_val': self.accuracy}} if known else {}

    def distribution(self) -> dict[str, list[float]]:
        """Return 1 for chosen candidates and 0 for the others."""
        path = self.decide(strict=False)
        return {
            name: [float(i in path.get(name, ())) for i in range(len(choice.candidates))]
            for name, choice in self.super_net.choices.items()
        }
