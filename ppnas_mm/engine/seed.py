"""Deterministic epochs: each has its own seed, so a resumed run repeats it exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import set_random_seed

from ..utils.registries import HOOKS


def mix_seed(*parts: int) -> int:
    """Return 32 well-mixed bits that depend on all of ``parts`` and their order."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class WorkerSeed:
    """Seeds a loader's worker from (seed, epoch, rank, worker); picklable for spawned workers."""

    def __init__(self, *parts: int) -> None:
        self.parts = parts

    def __call__(self, worker: int) -> None:
        """Seed the worker before it loads anything."""
        set_random_seed(mix_seed(*self.parts, worker))


def set_epoch(loader: Any, seed: int, epoch: int, rank: int) -> None:
    """Seed the samplers and workers of a data loader for an epoch.

    Raises:
        ValueError: If the workers are persistent, because they cannot be reseeded.
    """
    if getattr(loader, 'persistent_workers', False):
        raise ValueError(
            'persistent_workers=True: persistent workers repeat the augmentations of an epoch and '
            'cannot be resumed; set persistent_workers=False'
        )
    for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
        if sampler is not None and hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
    loader.worker_init_fn = WorkerSeed(seed, epoch, rank)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds all generators from (seed, epoch, rank) at the start of every training epoch.

    A killed run resumes after the last finished epoch and repeats the interrupted one bit for bit;
    no random state is saved.  (mmengine's worker seeds do not depend on the epoch.)
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Any) -> None:
        """Seed the epoch before its first batch is drawn."""
        loop = runner.train_loop
        for loader in getattr(loop, 'loaders', {'train': loop.dataloader}).values():
            set_epoch(loader, runner.seed, runner.epoch, runner.rank)
        set_random_seed(mix_seed(runner.seed, runner.epoch, runner.rank))
