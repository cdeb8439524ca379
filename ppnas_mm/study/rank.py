"""How the super-net of a finished search ranks architectures of a benchmark."""

from __future__ import annotations

from argparse import Namespace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..algorithms.accuracy import BatchAccuracy
from ..algorithms.one_shot.spos import SPOS
from ..analysis.nasbench201 import score_by_alpha
from ..engine.checkpoint import latest_checkpoint
from ..engine.run import load_run
from ..engine.seed import mix_seed, set_epoch
from ..genotype import Genotype
from ..spaces.mixture import Fixed
from ..tables import TABLES
from ..utils.batch_norm import recalibrate
from ..weights.checkpoint import load_weights
from .plan import Plan, Row

TRAINING, VALIDATION = 10, 10
"""Batches for the norms of an architecture, and batches of the half ``val`` that score it, where an
algorithm has no numbers of its own."""


def draw(plan: Plan, seed: int = 0) -> list[Genotype]:
    """Draw different architectures of the table uniformly, the same for every row."""
    table = TABLES[plan.space].load(plan.table)
    rows = np.random.default_rng(seed).permutation(len(table))[: plan.cells]
    return [table.decode(table.cells[i]) for i in rows]


def rank_architectures(plan: Plan, row: Row, seed: int, folder: Path) -> dict[str, Any]:
    """Return the score of drawn architectures by a finished search; ``None``: it has lost them.

    Args:
        plan: The study.
        row: The row; its ``ranks`` says what scores.
        seed: Seed of the search.
        folder: Its work dir, with a checkpoint.
    """
    algorithm, loaders = load_search(plan, row, seed, folder)
    table = TABLES[plan.space]
    scores = {}
    score = score_by_alpha if row.ranks == 'alpha' else Scorer(algorithm, loaders)
    for genotype in draw(plan):
        path = algorithm.super_net.to_path(genotype)
        alive = all(
            set(kept) <= set(algorithm.super_net.alive_candidates(n)) for n, kept in path.items()
        )
        value = score(algorithm, genotype) if alive else None
        scores[table.encode(genotype)] = None if value is None else round(value, 5)
    return dict(by=row.ranks, scores=scores)


def load_search(plan: Plan, row: Row, seed: int, folder: Path) -> tuple[Any, Any]:
    """Return the trained algorithm of a finished search, and the loaders of its halves."""
    from mmengine.runner import Runner, set_random_seed

    path = latest_checkpoint(folder)
    given = dict(config=str(row.config), work_dir=str(folder), seed=seed, launcher='none')
    options = {**plan.options, **row.options}
    config = load_run(Namespace(cfg_options=options, local_rank=0, **given))
    config.log_level = 'WARNING'
    runner = Runner.from_cfg(config)
    loop: Any = runner.train_loop
    load_weights(runner.model, str(path))
    set_epoch(loop.dataloader, runner.seed, 0, 0)
    set_random_seed(mix_seed(runner.seed, 0, 0))
    return runner.model, loop.loaders


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
