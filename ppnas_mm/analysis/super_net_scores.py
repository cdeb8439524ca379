"""How the super-net of a finished search scores architectures."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..algorithms.accuracy import BatchAccuracy
from ..algorithms.one_shot.spos import SPOS
from ..engine.checkpoint import latest_checkpoint
from ..engine.run import load_run
from ..engine.seed import mix_seed, set_epoch
from ..genotype import Genotype
from ..spaces.mixture import Fixed
from ..utils.batch_norm import recalibrate
from ..weights.checkpoint import load_weights

TRAINING, VALIDATION = 10, 10
"""Batches for the norms of an architecture, and batches of the half ``val`` that score it, where an
algorithm has no numbers of its own."""


def load_search(
    config: str, folder: Path, seed: int, options: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Return the trained algorithm of a finished search, and the loaders of its halves.

    The half ``val`` of a search that trains on all images is the data of its validation.

    Args:
        config: Config of the search.
        folder: Its work dir, with a checkpoint.
        seed: Its seed.
        options: Entries of the config that it overrode.
    """
    from mmengine.runner import set_random_seed

    from ..engine.runner import Runner

    path = latest_checkpoint(folder)
    given = dict(config=config, work_dir=str(folder), seed=seed, launcher='none')
    run = load_run(Namespace(cfg_options=dict(options), local_rank=0, **given))
    run.log_level = 'WARNING'
    runner = Runner.from_cfg(run)
    loop: Any = runner.train_loop
    load_weights(runner.model, str(path))
    set_epoch(loop.dataloader, runner.seed, 0, 0)
    set_random_seed(mix_seed(runner.seed, 0, 0))
    if hasattr(loop, 'loaders'):
        return runner.model, loop.loaders
    second = runner.build_dataloader(run.val_dataloader, seed=runner.seed)
    return runner.model, {'train': loop.dataloader, 'val': second}


class Scorer:
    """100 exp(-loss) of an architecture by a super-net's weights, with its own statistics.

    Args:
        algorithm: A trained search.
        loaders: The halves of its data.
    """

    def __init__(self, algorithm: Any, loaders: Any) -> None:
        own = algorithm if isinstance(algorithm, SPOS) else None
        count = own.recalibrate_batches if own else TRAINING
        self.training = list(islice(iter(loaders['train']), count))
        number = own.eval_batches if own else VALIDATION
        self.batches = list(islice(iter(loaders['val']), number))
        self.measure = BatchAccuracy(algorithm.model, 'loss')

    @torch.no_grad()
    def __call__(self, algorithm: Any, genotype: Genotype) -> float:
        """Return the score of an architecture."""
        net = algorithm.super_net
        with net.using(Fixed(net.to_path(genotype))):
            recalibrate(algorithm.model, self.training, len(self.training))
            return float(self.measure.mean(self.batches))
