"""What a search costs, from its config alone: steps, FLOPs, memory, operations and bytes sent.

Images, batch, epochs and phases are read from the config.  Of each phase two steps of the algorithm
itself run, with real tensors but few images; what they take has a part that grows with the batch
and one that stays, and so gives any batch.  Left out are validation, the final recalibration and
the reading of images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from ..config.keys import ConfigError, type_name
from ..config.load import replace_sync_bn
from ..spaces.mixture import Fixed
from ..utils.distributed import counted
from ..utils.tables import table
from .step_counters import Counts, Traffic, count_flops, count_saved
from .step_rates import Rates

IMAGES = {
    'ImageNet': 1_281_167,
    'CIFAR10': 50_000,
    'CIFAR100': 50_000,
    'CityscapesDataset': 2_975,
    'Digits': 1_437,
}
"""Training images of data sets; of others the number must be given."""


@dataclass(frozen=True)
class Part:
    """Steps of one kind, all over the search.

    Attributes:
        name: Phase of the algorithm, or ``'evaluation'`` for batches without a backward pass.
        epochs: Epochs of the phase; of the evaluations, how many end with some.
        steps: All steps of a process.
        counts: What a step takes in one process.
    """

    name: str
    epochs: int
    steps: int
    counts: Counts


PROBED = (2, 3)
"""Images of the steps that run; 2 or more, for the batch norms."""


def search_cost(
    config: Any,
    processes: int = 1,
    images: int | None = None,
    size: int | None = None,
    draws: int = 8,
) -> list[Part]:
    """Return what each phase of a search costs each of its processes.

    An algorithm that draws is at its start: nothing is pruned yet, and its cost is the mean of
    several steps.  A search that may end early is taken at its full length.

    Args:
        config: Config of a search, as of :func:`ppnas_mm.config.load.load_config`.
        processes: Number of processes.
        images: Training images, where :data:`IMAGES` does not name the data set.
        size: Side of the square images; ``None``: that of the last crop or resize.
        draws: Steps of which the mean is taken, where the algorithm draws.

    Raises:
        ConfigError: If the config lacks what is needed; the message names it.
    """
    train, val = batches(config, processes, images)
    replace_sync_bn(config.model)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        algorithm = build_algorithm(config)
        optimizers = build_optim_wrapper(algorithm, config.optim_wrapper)
        probes = Probes(algorithm, optimizers, size or input_size(config), draws)
        batch = config.train_dataloader.batch_size
        return _parts(probes, config.train_cfg.max_epochs, train, val, batch)


def _parts(probes: Probes, epochs: int, train: int, val: int, batch: int) -> list[Part]:
    algorithm = probes.algorithm
    algorithm.epochs = epochs
    first: dict[str, int] = {}
    lengths: dict[str, int] = {}
    for epoch in range(1, epochs + 1):
        algorithm.before_epoch(epoch)
        halves = getattr(algorithm, 'uses', ('train',))
        name = getattr(algorithm, 'phase', ' + '.join(halves))
        first.setdefault(name, epoch)
        lengths[name] = lengths.get(name, 0) + 1
    parts = []
    for name, epoch in first.items():
        algorithm.before_epoch(epoch)
        parts.append(Part(name, lengths[name], lengths[name] * train, probes.step(batch)))
    if hasattr(algorithm, 'batches_evaluated'):
        found = [algorithm.batches_evaluated(e, train, val) for e in range(1, epochs + 1)]
        if any(found):
            ends = sum(map(bool, found))
            parts.append(Part('evaluation', ends, sum(found), probes.evaluation(batch)))
    return parts


class Probes:
    """Counts what steps take with each of :data:`PROBED` images, and so with any number."""

    def __init__(self, algorithm: Any, optimizers: Any, size: int, draws: int) -> None:
        self.algorithm = algorithm
        self.small, self.large = (
            Probe(algorithm, optimizers, make_batch(algorithm.model, number, size), draws)
            for number in PROBED
        )

    def step(self, images: int) -> Counts:
        """Return what a training step of some images takes."""
        self.small.warm_up()
        return self.small.step().extrapolated(self.large.step(), *PROBED, images)

    def evaluation(self, images: int) -> Counts:
        """Return what evaluating some images takes."""
        return self.small.evaluation().extrapolated(self.large.evaluation(), *PROBED, images)


class Probe:
    """Runs steps of an algorithm on one small batch and counts what they take."""

    def __init__(self, algorithm: Any, optimizers: Any, batch: dict, draws: int) -> None:
        self.algorithm, self.optimizers, self.batch = algorithm, optimizers, batch
        self.bilevel = hasattr(algorithm, 'uses')
        self.drawn = algorithm.draws.state.clone() if hasattr(algorithm, 'draws') else None
        self.draws = 1 if self.drawn is None else draws
        for wrapper in optimizers.values():
            for group in wrapper.optimizer.param_groups:
                group['lr'] = 0.0  # the steps shall not change what is measured

    def rewind(self) -> None:
        """Let the algorithm draw again what it drew at first, so that steps compare."""
        if self.drawn is not None:
            self.algorithm.draws.state.copy_(self.drawn)

    def warm_up(self) -> None:
        """Do the steps uncounted: the first ones also make the state of the optimizers."""
        self.rewind()
        for _ in range(self.draws):
            self.train_step()

    def step(self) -> Counts:
        """Return what a training step takes, the mean of the draws."""
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

    def evaluation(self) -> Counts:
        """Return what evaluating the batch takes, the mean of architectures that are drawn."""
        self.rewind()
        data = self.algorithm.data_preprocessor(self.batch, False)
        found = []
        for _ in range(self.draws):
            drawn = self.algorithm.super_net.using(Fixed(self.algorithm.training_paths()[0]))
            with drawn, Traffic() as traffic, count_flops() as flops, torch.no_grad():
                self.algorithm.task_loss(data)
            total = flops.get_total_flops()
            found.append(Counts(total, traffic.moved, traffic.operations, 0, 0))
        return _mean(found)


def _mean(counts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(column) / len(counts) for column in zip(*counts, strict=True)))


def batches(config: Any, processes: int, images: int | None = None) -> tuple[int, int]:
    """Return the batches of an epoch in each process: of the half ``train``, or all, and ``val``.

    Args:
        config: See :func:`search_cost`.
        processes: Number of processes.
        images: Training images; ``None``: those of :data:`IMAGES`.

    Raises:
        ConfigError: If nothing says how many images there are.
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


def build_algorithm(config: Any) -> Any:
    """Build the algorithm of a search as mmengine's runner does."""
    model = dict(config.model)
    if config.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', config.data_preprocessor)
    return MODELS.build(model).train()


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
    """Return a batch of random images as a loader gives it to a classifier or segmentor.

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


def seconds(parts: Sequence[Part], rates: Rates, network: float, processes: int) -> float:
    """Predict how long a search takes: computing, then sending around a ring.

    Args:
        parts: See :func:`search_cost`.
        rates: Those of one process, fitted to measured steps.
        network: Bytes a second between two neighbours of the ring.
        processes: Number of processes; each passes on 2 (N - 1) / N of what is averaged.
    """
    around = 2 * (processes - 1) / processes
    return sum(
        p.steps * (rates.seconds(p.counts) + around * p.counts.sent / network) for p in parts
    )


def cost_report(
    parts: Sequence[Part],
    rates: Rates | None = None,
    network: float = math.inf,
    processes: int = 1,
) -> str:
    """Return the parts of a search as a table, with their sum; with rates the predicted hours too.

    Args:
        parts: See :func:`search_cost`.
        rates: See :func:`seconds`, as all that follow.
        network: Bytes a second; infinite: sending takes no time.
        processes: Number of processes.
    """

    def row(name: str, epochs: Any, counts: list[str], these: Sequence[Part]) -> list[Any]:
        steps = sum(part.steps for part in these)
        total = sum(part.steps * part.counts.flops for part in these) / 1e15
        cells = [name, epochs, f'{steps:,}', *counts, f'{total:.2f}']
        hours = [] if rates is None else [seconds(these, rates, network, processes) / 3600]
        return cells + [f'{hour:.2f}' for hour in hours]

    rows = [row(part.name, part.epochs, _cells(part.counts), [part]) for part in parts]
    rows.append(row('all', '', [''] * 5, parts))
    header = ['part', 'epochs', 'steps', 'GFLOPs a step', 'moved, GB', 'operations']
    header += ['saved, MiB', 'sent, MB', 'PFLOPs'] + ([] if rates is None else ['hours'])
    return table(header, rows)


def _cells(counts: Counts) -> list[str]:
    return [
        f'{counts.flops / 1e9:.1f}',
        f'{counts.moved / 1e9:.1f}',
        f'{counts.operations:,.0f}',
        f'{counts.saved / 2**20:.0f}',
        f'{counts.sent / 1e6:.2f}',
    ]
