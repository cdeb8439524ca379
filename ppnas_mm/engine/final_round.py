"""A final round: the strongest architectures of a search are trained alone, the best is kept.

Weights that architectures share may rank the best ones wrongly; here a few are trained alone.
EoiNAS (Section IV-B) compares the results of four searches in a similar way.  Whether it helps has
not been studied yet.
"""

from __future__ import annotations

import copy
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
from ..layers.custom_conv import to_channels_last
from ..utils.registries import MODELS
from .seed import mix_seed, set_epoch


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
    runner: Any, algorithm: SearchAlgorithm, finalists: int, epochs: int
) -> tuple[Genotype, list[dict[str, Any]]]:
    """Train finalists from scratch on the half ``train``; compare them on the half ``val``.

    Args:
        runner: The runner of the search; its optimizer of the weights trains them, with a cosine
            to 0.
        algorithm: The search, at its end.
        finalists: Number of architectures.
        epochs: Of each training.

    Returns:
        The best, among equals the first, and the accuracy of each.
    """
    found: list[dict[str, Any]] = []
    genotypes = [algorithm.super_net.to_genotype(path) for path in algorithm.finalists(finalists)]
    for number, genotype in enumerate(genotypes, 1):
        accuracy = _train_alone(runner, algorithm, genotype, epochs)
        found.append(dict(genotype=genotype.hash, accuracy=round(accuracy, 4)))
        print_log(f'Finalist {number} of {len(genotypes)}: {accuracy:.2f}', 'current')
    best = max(range(len(found)), key=lambda i: found[i]['accuracy'])
    return genotypes[best], found


def _train_alone(runner: Any, algorithm: Any, genotype: Genotype, epochs: int) -> float:
    """Return the accuracy of an architecture in per cent, after a training of its own."""
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
        for batch in loader:
            model.train_step(batch, wrapper)
            schedule.step()
    model.eval()
    with torch.no_grad():
        return float(BatchAccuracy(model).mean(algorithm.loaders['val']))
