"""A final round: strong architectures of a search are trained alone for a short time.

Weights that architectures share may rank the best ones wrongly: in NAS-Bench-201 the super-net
prefers cells with one convolution, which learn fastest beside others.  EoiNAS (Section IV-B)
compares the results of four searches in a similar way.  After a few epochs the training loss ranks
better than the accuracy on held-out images (Ru et al., Speedy Performance Estimation for Neural
Architecture Search, NeurIPS 2021, the sum of training losses of the last E epochs, with E = 1).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.optim import build_optim_wrapper
from mmengine.runner import set_random_seed
from torch.optim.lr_scheduler import CosineAnnealingLR

from ..algorithms.accuracy import BatchAccuracy
from ..algorithms.base import SearchAlgorithm
from ..config.keys import ConfigError
from ..genotype import Genotype
from ..layers.memory_layout import to_channels_last
from ..utils.registries import MODELS
from .seed import mix_seed, set_epoch


@dataclass(frozen=True)
class FinalRound:
    """Settings of a final round.

    Attributes:
        finalists: Number of architectures that are trained alone.
        epochs: Of each training.
        by: What decides: ``'loss'``, the mean training loss of the last epoch, or ``'accuracy'`` on
            the half ``val``.
    """

    finalists: int = 24
    epochs: int = 3
    by: str = 'loss'

    def __post_init__(self) -> None:
        if min(self.finalists, self.epochs) < 1 or self.by not in ('loss', 'accuracy'):
            raise ConfigError(
                f"SearchHook: {self}: expected finalists and epochs of at least 1, by 'loss' or "
                "'accuracy'"
            )


def check_final_round(algorithm: SearchAlgorithm) -> None:
    """Reject runs in which a final round is not possible, before the search.

    Raises:
        ConfigError: If no images are held out, the space chooses connections, or there are several
            processes.
    """
    if getattr(algorithm, 'loaders', None) is None:
        raise ConfigError(
            'SearchHook: finalists are compared on images held out: '
            "train_cfg=dict(type='ppnas_mm.SearchLoop', val_share=...)"
        )
    if any(choice.gates for choice in algorithm.super_net.choices.values()):
        raise ConfigError('SearchHook: finalists need a space that chooses operations only')
    if get_world_size() > 1:
        raise ConfigError('SearchHook: a final round runs in one process; leave finalists out')


def final_round(
    runner: Any, algorithm: SearchAlgorithm, settings: FinalRound
) -> tuple[Genotype, list[dict[str, Any]]]:
    """Train finalists from scratch on the half ``train``; keep the best.

    Args:
        runner: The runner of the search; its optimizer of the weights trains them, with a cosine
            to 0.
        algorithm: The search, at its end.
        settings: How many, how long, and what decides.

    Returns:
        The best, among equals the first, and the loss and accuracy of each.
    """
    found: list[dict[str, Any]] = []
    paths = algorithm.finalists(settings.finalists)
    genotypes = [algorithm.super_net.to_genotype(path) for path in paths]
    for number, genotype in enumerate(genotypes, 1):
        loss, accuracy = _train_alone(runner, algorithm, genotype, settings.epochs)
        found.append(dict(genotype=genotype.hash, loss=round(loss, 6), accuracy=round(accuracy, 4)))
        print_log(
            f'Finalist {number} of {len(genotypes)}: loss {loss:.4f}, accuracy {accuracy:.2f}',
            'current',
        )
    sign = -1 if settings.by == 'loss' else 1
    best = max(range(len(found)), key=lambda i: sign * found[i][settings.by])
    return genotypes[best], found


def _train_alone(
    runner: Any, algorithm: Any, genotype: Genotype, epochs: int
) -> tuple[float, float]:
    """Train an architecture from scratch.

    Returns:
        The mean training loss of the last epoch, and the accuracy on the half ``val`` in per cent.
    """
    set_random_seed(mix_seed(runner.seed, int(genotype.hash[:8], 16)))
    source, config = algorithm.inherited
    backbone = source.backbone.backbone_config(genotype)
    model: Any = MODELS.build({**copy.deepcopy(config), 'backbone': backbone})
    model.init_weights()
    model.to(next(algorithm.parameters()).device).train()
    to_channels_last(model)
    given = runner.cfg.optim_wrapper
    part = copy.deepcopy(dict(given.get('weights', given)))
    wrapper = build_optim_wrapper(model, part)
    loader = algorithm.loaders['train']
    schedule = CosineAnnealingLR(wrapper.optimizer, epochs * len(loader))
    for epoch in range(epochs):
        set_epoch(loader, runner.seed, epoch, runner.rank)
        losses = []
        for batch in loader:
            losses.append(model.train_step(batch, wrapper)['loss'].detach())
            schedule.step()
    model.eval()
    with torch.no_grad():
        accuracy = float(BatchAccuracy(model).mean(algorithm.loaders['val']))
    return float(torch.stack(losses).mean()), accuracy
