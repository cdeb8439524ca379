"""Updates of every algorithm in several processes, and draws that all of them make alike."""

from typing import Any

import pytest
import torch
from searches import build, every_algorithm, some_images
from tasks import search_optimizers

from ppnas_mm.algorithms.draws import Draws

THROUGH_DDP = ('PPNAS', 'RandomSearch')
"""DDP averages what its own forward computed."""


@every_algorithm
def test_every_update_outside_of_ddp_averages_over_the_processes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an algorithm computes without DDP's forward, it has to average by itself."""
    space = {'PPNAS': 'ppconv', 'TableSearch': 'nasbench201'}.get(name, 'darts')
    algorithm = build(name, space).train()
    optimizers = search_optimizers(algorithm)
    updates: list[bool] = []
    real = optimizers.update_parts

    def watched(loss: Any, parts: Any, average: bool = False) -> None:
        updates.append(average)
        real(loss, parts, average)

    monkeypatch.setattr(optimizers, 'update_parts', watched)
    for epoch in (1, 2):  # of CDARTS, in the second all parts learn
        algorithm.before_epoch(epoch)
        algorithm.train_step(some_images(algorithm, seed=0), optimizers)
    assert updates and all(a == (name not in THROUGH_DDP) for a in updates)


@pytest.mark.parametrize('seed', [0, 5, 2**63 - 1, -1])
def test_draws_start_from_a_seed_of_63_bits(seed: int) -> None:
    """torch has seeds of 64 bits, and a tensor no such numbers."""
    torch.manual_seed(seed)
    assert Draws().state.tolist() == [seed % 2**64 % 2**63, 0]
    assert Draws(7).state.tolist() == [7, 0]
