"""Gradients of alpha from each term of CDARTS' joint loss at the start of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..algorithms import CDARTS
from ..config.keys import ConfigError
from ..config.model import build_model
from ..utils.tables import table
from .cost_model import input_size, make_batch


def gradient_norms(
    config: Any, batch_size: int = 8, seed: int = 0, size: int | None = None
) -> dict[str, float]:
    """Return the Euclidean norm of alpha's gradient from each term of eq. 8 and eq. 11.

    The terms include their weights (lambda, T^2, lambda').  Images are noise, labels cycle.

    Args:
        config: Config of a CDARTS search, as from :func:`ppnas_mm.config.load.load_config`.
        batch_size: Number of images.
        seed: Seed of weights, alpha and images.
        size: Side of the square images; ``None``: that of the last crop or resize.

    Raises:
        ConfigError: If the search is not CDARTS, or the size of images is unknown.
    """
    torch.manual_seed(seed)
    algorithm = build_model(config)
    if not isinstance(algorithm, CDARTS):
        raise ConfigError(f'model.type: {type(algorithm).__name__}; expected CDARTS')
    algorithm.init_weights()
    batch = make_batch(algorithm.model, batch_size, size or input_size(config))
    for i, sample in enumerate(batch['data_samples']):
        if hasattr(sample, 'set_gt_label'):
            sample.set_gt_label(i % config.model.classes)
    algorithm.before_epoch(1)
    data = algorithm.data_preprocessor(batch, True)
    arch = list(algorithm.arch_parameters().values())
    terms = ['loss_search', *(['loss_distillation'] if algorithm.distill_weight else [])]
    # one forward per term: with_cp recomputes blocks for one backward pass only
    found = {name: _norm(algorithm.joint_losses(data)[name], arch) for name in terms}
    return found | {name: _norm(loss, arch) for name, loss in algorithm.arch_losses().items()}


def _norm(loss: torch.Tensor, arch: list[nn.Parameter]) -> float:
    found = torch.autograd.grad(loss, arch, allow_unused=True)
    squares = sum(float(g.double().square().sum()) for g in found if g is not None)
    return float(squares) ** 0.5


def norms_report(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the norms of several configs as a table; ``-``: no such term."""
    terms = ('loss_search', 'loss_distillation', 'loss_l1')
    rows = [
        [name, *(f'{norms[t]:.2g}' if t in norms else '-' for t in terms)]
        for name, norms in found.items()
    ]
    return table(['config', 'cross-entropy', 'distillation', 'L1'], rows)
