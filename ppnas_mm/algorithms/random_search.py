"""Random search: the baseline of every space (PP-NAS, Section IV-B and Table II)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..costs.limits import Limits
from ..spaces.mixture import ArchPath, Fixed
from ..utils.registries import MODELS
from .base import SearchAlgorithm
from .untrained import draw_within, is_free


@MODELS.register_module()
class RandomSearch(SearchAlgorithm):
    """Draw one architecture, prune the super-net down to it and train that.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        constrained: Whether to resample until every input group of every cell is used; a "full"
            random search does not.
        operations: ``'authors'``: as the space's :meth:`random_path` draws them (in ``ppconv`` one
            identity and 3x3 convolutions in each stage, like the published ones and all of one
            size), or ``'free'``: each uniformly.
        seed: Seed of the draw; ``None`` takes torch's, which follows the search's ``--seed``.
        limits: Limits on the architecture, see :class:`Limits`; ``None``: none.
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ConstraintError: If none of 10,000 draws is within the limits.
        ValueError: If an option is unknown.
    """

    def __init__(
        self,
        model: dict,
        constrained: bool = True,
        operations: str = 'authors',
        seed: int | None = None,
        limits: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        self.free = is_free(operations)
        rng = np.random.default_rng(torch.initial_seed() % 2**32 if seed is None else seed)
        given = Limits(self.model, **(limits or {}))
        path = draw_within(self.super_net, rng, given, constrained, self.free)
        for name, kept in path.items():
            for candidate in set(self.super_net.alive_candidates(name)) - set(kept):
                self.super_net.prune(name, candidate)
        self.predict_as(Fixed(path))
        self.super_net.arch.requires_grad_(False)

    def decide(self, strict: bool) -> ArchPath:
        """Return the drawn path, which is all that is left of the super-net."""
        alive = {name: self.super_net.alive_candidates(name) for name in self.super_net.choices}
        return {name: kept for name, kept in alive.items() if kept}

    def distribution(self) -> dict[str, list[float]]:
        """Return 1 for drawn candidates and 0 for the others."""
        return {
            name: [
                float(i in self.super_net.alive_candidates(name)) for i in range(len(c.candidates))
            ]
            for name, c in self.super_net.choices.items()
        }
