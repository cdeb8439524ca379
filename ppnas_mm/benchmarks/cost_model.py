"""Costs of a search from its config: steps, FLOPs, memory, operations, bytes sent and time.

Images, batch, epochs and phases are read from the config.  For each phase, two real steps of the
algorithm run with few images; their costs have a part that grows with the batch and a constant
part, which gives the cost of any batch.  Optionally ten steps of the full batch are timed.
Validation, the final recalibration and reading images are left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from ..config.keys import ConfigError, type_name
from ..config.model import build_model
from ..spaces.mixture import Fixed
from ..utils.distributed import counted
from ..utils.tables import table
from .step_counters import Counts, Traffic, count_flops, count_saved

IMAGES = {
    'ImageNet': 1_281_167,
    'CIFAR10': 50_000,
    'CIFAR100': 50_000,
    'CityscapesDataset': 2_975,
    'Digits': 1_437,
}
"""Number of training images of data sets; for others it must be given."""


@dataclass(frozen=True)
class Part:
    """All steps of one kind in a search.

    Attributes:
        name: Phase of the algorithm, or ``'evaluation'`` for batches without a backward pass.
        epochs: Number of epochs of the phase, or that end with evaluations.
        steps: Total number of steps in a process.
        counts: Costs of a step in one process.
        seconds: Time of a step on this device; ``None``: not timed.
    """

    name: str
    epochs: int
    steps: int
    counts: Counts
    seconds: float | None = None


PROBED = (2, 3)
"""Numbers of images in the counted steps; 2 or more, for the batch norms."""
TIMED = 10
"""Number of steps timed together, after a warm-up step."""


def search_cost(
    config: Any,
    processes: int = 1,
    images: int | None = None,
    size: int | None = None,
    draws: int = 8,
    timed: bool = False,
    device: str = 'cpu',
) -> list[Part]:
    """Return the costs of each phase of a search, per process.

    Algorithms that draw are measured at the start, before any pruning, as the mean of several
    steps.  A search that may stop early is counted at full length.

    Args:
        config: Config of a search, as from :func:`ppnas_mm.config.load.load_config`.
        processes: Number of processes.
        images: Number of training images, if :data:`IMAGES` lacks the data set.
        size: Side of the square images; ``None``: that of the last crop or resize.
        draws: Number of steps to average, if the algorithm draws.
        timed: Whether to also time :data:`TIMED` steps of each phase with the config's batch.
        device: Device that runs the steps.

    Raises:
        ConfigError: If the config lacks a needed entry, which the message names.
    """
    train, val = batches(config, processes, images)
    algorithm = build_model(config, device=device).train()
    batch, side = config.train_dataloader.batch_size, size or input_size(config)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        optimizers = build_optim_wrapper(algorithm, config.optim_wrapper)
        probes = Probes(algorithm, optimizers, side, draws)
        whole = None
        if timed:
            whole = Probe(algorithm, optimizers, make_batch(algorithm.model, batch, side), draws)
        return _parts(probes, whole, config.train_cfg.max_epochs, (train, val), batch)


def _parts(
    probes: Probes, whole: Probe | None, epochs: int, halves: tuple[int, int], batch: int
) -> list[Part]:
    """Return the phases; ``halves``: batches per epoch; ``whole``: the probe to time."""
    algorithm = probes.algorithm
    algorithm.epochs = epochs
    first: dict[str, int] = {}
    lengths: dict[str, int] = {}
    for epoch in range(1, epochs + 1):
        algorithm.before_epoch(epoch)
        uses = getattr(algorithm, 'uses', ('train',))
        name = getattr(algorithm, 'phase', ' + '.join(uses))
        first.setdefault(name, epoch)
        lengths[name] = lengths.get(name, 0) + 1
    parts = []
    for name, epoch in first.items():
        algorithm.before_epoch(epoch)
        counts = probes.step(batch)
        took = whole.seconds(whole.train_step) if whole else None
        parts.append(Part(name, lengths[name], lengths[name] * halves[0], counts, took))
    if hasattr(algorithm, 'batches_evaluated'):
        found = [algorithm.batches_evaluated(e, *halves) for e in range(1, epochs + 1)]
        if any(found):
            ends, counts = sum(map(bool, found)), probes.evaluation(batch)
            took = whole.seconds(whole.evaluate) if whole else None
            parts.append(Part('evaluation', ends, sum(found), counts, took))
    return parts


class Probes:
    """Counts the costs of steps with each of :data:`PROBED` images, to extrapolate to others."""

    def __init__(self, algorithm: Any, optimizers: Any, size: int, draws: int) -> None:
        self.algorithm = algorithm
        self.small, self.large = (
            Probe(algorithm, optimizers, make_batch(algorithm.model, number, size), draws)
            for number in PROBED
        )

    def step(self, images: int) -> Counts:
        """Return the costs of a training step."""
        self.small.warm_up()
        return self.small.step().extrapolated(self.large.step(), *PROBED, images)

    def evaluation(self, images: int) -> Counts:
        """Return the costs of evaluating images."""
        return self.small.evaluation().extrapolated(self.large.evaluation(), *PROBED, images)


class Probe:
    """Runs steps of an algorithm on one small batch and counts their costs."""

    def __init__(self, algorithm: Any, optimizers: Any, batch: dict, draws: int) -> None:
        self.algorithm, self.optimizers, self.batch = algorithm, optimizers, batch
        self.bilevel = hasattr(algorithm, 'uses')
        self.drawn = algorithm.draws.state.clone() if hasattr(algorithm, 'draws') else None
        self.draws = 1 if self.drawn is None else draws
        for wrapper in optimizers.values():
            for group in wrapper.optimizer.param_groups:
                group['lr'] = 0.0  # so that steps do not change the model

    def rewind(self) -> None:
        """Reset the algorithm's draws, so that steps are comparable."""
        if self.drawn is not None:
            self.algorithm.draws.state.copy_(self.drawn)

    def warm_up(self) -> None:
        """Run steps without counting, because the first ones also create optimizer state."""
        self.rewind()
        for _ in range(self.draws):
            self.train_step()

    def step(self) -> Counts:
        """Return the costs of a training step, averaged over the draws."""
        self.rewind()
        return _mean([self._step() for _ in range(self.draws)])

    def train_step(self) -> None:
        """Do one step."""
        data = dict(train=self.batch, val=self.batch) if self.bilevel else self.batch
        self.algorithm.train()
        self.algorithm.train_step(data, self.optimizers)

    def _step(self) -> Counts:
        with (
            Traffic() as traffic,
            count_flops() as flops,
            count_saved(self.algorithm) as saved,
            counted() as sent,
        ):
            self.train_step()
        bytes_sent = sum(sent)
        if not self.bilevel:  # DDP averages every gradient
            trained = (p for p in self.algorithm.parameters() if p.requires_grad)
            bytes_sent = sum(p.numel() * p.element_size() for p in trained)
        total = flops.get_total_flops()
        return Counts(total, traffic.moved, traffic.operations, saved.peak, bytes_sent)

    @torch.no_grad()
    def evaluate(self) -> None:
        """Evaluate the batch with a drawn architecture."""
        data = self.algorithm.data_preprocessor(self.batch, False)
        with self.algorithm.super_net.using(Fixed(self.algorithm.training_paths()[0])):
            self.algorithm.task_loss(data)

    def evaluation(self) -> Counts:
        """Return the costs of evaluating the batch, averaged over drawn architectures."""
        self.rewind()
        found = []
        for _ in range(self.draws):
            with Traffic() as traffic, count_flops() as flops:
                self.evaluate()
            total = flops.get_total_flops()
            found.append(Counts(total, traffic.moved, traffic.operations, 0, 0))
        return _mean(found)

    def seconds(self, run: Callable[[], None]) -> float:
        """Return the time of a call: the mean of :data:`TIMED` in a row."""

        def now() -> float:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return time.perf_counter()

        run()
        start = now()
        for _ in range(TIMED):
            run()
        return (now() - start) / TIMED


def _mean(counts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(column) / len(counts) for column in zip(*counts, strict=True)))


def batches(config: Any, processes: int, images: int | None = None) -> tuple[int, int]:
    """Return batches per epoch and process: of the half ``train``, or all data, and of ``val``.

    Args:
        config: See :func:`search_cost`.
        processes: Number of processes.
        images: Number of training images; ``None``: from :data:`IMAGES`.

    Raises:
        ConfigError: If the number of images is unknown.
    """
    loader, loop = config.train_dataloader, config.train_cfg
    data = loader.dataset
    total = images or IMAGES.get(type_name(data))
    if total is None:
        raise ConfigError(f'how many training images has {type_name(data)}? give their number')
    if isinstance(data.get('indices'), int):
        total = min(total, data.indices)
    halves = [total, 0]
    if type_name(loop) == 'SearchLoop':
        used = round(total * loop.get('fraction', 1.0))
        val = int(used * loop.get('val_share', 0.5))
        halves = [used - val, val]
    rounding: Callable[[float], int] = math.floor if loader.get('drop_last') else math.ceil
    shares = [math.ceil(half / processes) / loader.batch_size for half in halves]
    return rounding(shares[0]), rounding(shares[1])


def input_size(config: Any) -> int:
    """Return the side of the training images: that of the last crop or resize.

    Raises:
        ConfigError: If the pipeline has neither.
    """
    pipeline = config.train_dataloader.dataset.get('pipeline', ())
    given = [step.get('crop_size', step.get('scale')) for step in pipeline]
    sizes = [size for size in given if size]
    if not sizes:
        raise ConfigError('train_dataloader: no crop or resize says how large images are; give it')
    return max(sizes[-1]) if isinstance(sizes[-1], Sequence) else sizes[-1]


def make_batch(model: Any, number: int, size: int) -> dict[str, Any]:
    """Return a batch of random images in the form of a loader for a classifier or segmentor.

    Raises:
        ConfigError: If the model is neither.
    """
    inputs = [torch.randint(0, 256, (3, size, size)).byte() for _ in range(number)]
    if hasattr(model, 'head'):
        from mmpretrain.structures import DataSample

        samples: list[Any] = [DataSample().set_gt_label(0) for _ in inputs]
    elif hasattr(model, 'decode_head'):
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        samples = [
            SegDataSample(
                metainfo=dict(img_shape=(size, size), ori_shape=(size, size)),
                gt_sem_seg=PixelData(data=torch.zeros(1, size, size, dtype=torch.long)),
            )
            for _ in inputs
        ]
    else:
        raise ConfigError(f'{type(model).__name__}: steps are known of classifiers and segmentors')
    return dict(inputs=inputs, data_samples=samples)


def cost_report(parts: Sequence[Part]) -> str:
    """Return the parts of a search as a table with their sum, and hours if timed."""
    timed = all(part.seconds is not None for part in parts)

    def row(name: str, epochs: Any, counts: list[str], these: Sequence[Part]) -> list[Any]:
        steps = sum(part.steps for part in these)
        total = sum(part.steps * part.counts.flops for part in these) / 1e15
        cells = [name, epochs, f'{steps:,}', *counts, f'{total:.2f}']
        if timed:
            took = sum(part.steps * (part.seconds or 0.0) for part in these)
            each = f'{1000 * took / steps:.1f}' if len(these) == 1 and steps else ''
            cells += [each, f'{took / 3600:.2f}']
        return cells

    rows = [row(part.name, part.epochs, _cells(part.counts), [part]) for part in parts]
    rows.append(row('all', '', [''] * 5, parts))
    header = ['part', 'epochs', 'steps', 'GFLOPs a step', 'moved, GB', 'operations']
    header += ['saved, MiB', 'sent, MB', 'PFLOPs'] + ['ms a step', 'hours'] * timed
    return table(header, rows)


def _cells(counts: Counts) -> list[str]:
    return [
        f'{counts.flops / 1e9:.1f}',
        f'{counts.moved / 1e9:.1f}',
        f'{counts.operations:,.0f}',
        f'{counts.saved / 2**20:.0f}',
        f'{counts.sent / 1e6:.2f}',
    ]
