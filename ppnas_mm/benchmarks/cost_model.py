"""What a search costs, from its config alone: steps, operations, memory and bytes sent.

Images, batch, epochs and phases are read from the config.  Of each phase one step of the algorithm
itself runs, with real tensors but few images; operations and saved tensors grow with the batch,
what is sent does not.  Left out are validation, the final recalibration and the reading of images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from ..averaging import counted
from ..config import ConfigError, replace_sync_bn
from ..report import table
from ..spaces.mixture import Fixed
from .step_counters import count_flops, count_saved

IMAGES = {
    'ImageNet': 1_281_167,
    'CIFAR10': 50_000,
    'CIFAR100': 50_000,
    'CityscapesDataset': 2_975,
    'ppnas_mm.Digits': 1_437,
}
"""Training images of data sets; of others the number must be given."""


@dataclass(frozen=True)
class Part:
    """Steps of one kind, all over the search.

    Attributes:
        name: Phase of the algorithm, or ``'evaluation'`` for batches without a backward pass.
        epochs: Epochs of the phase; of the evaluations, how many end with some.
        steps: All steps of a process.
        flops: Floating-point operations of a step in one process, two for a multiply-add.
        saved: Bytes kept for the backward pass, at most; weights and their optimizer come on top.
        sent: Bytes of the gradients that a step averages over the processes.
    """

    name: str
    epochs: int
    steps: int
    flops: float
    saved: float
    sent: int


def search_cost(
    config: Any,
    processes: int = 1,
    images: int | None = None,
    size: int | None = None,
    probe: int = 2,
    draws: int = 8,
) -> list[Part]:
    """Return what each phase of a search costs each of its processes.

    An algorithm that draws is at its start: nothing is pruned yet, and its cost is the mean of
    several steps.  A search that may end early is taken at its full length.

    Args:
        config: Config of a search, as of :func:`ppnas_mm.config.load_config`.
        processes: Number of processes.
        images: Training images, where :data:`IMAGES` does not name the data set.
        size: Side of the square images; ``None``: that of the last crop or resize.
        probe: Images of the step that runs; 2 or more, for the batch norms.
        draws: Steps of which the mean is taken, where the algorithm draws.

    Raises:
        ConfigError: If the config lacks what is needed; the message names it.
    """
    train, val = batches(config, processes, images)
    replace_sync_bn(config.model)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        algorithm = build_algorithm(config)
        batch = make_batch(algorithm.model, probe, size or input_size(config))
        optimizers = build_optim_wrapper(algorithm, config.optim_wrapper)
        steps = Probe(algorithm, optimizers, batch, draws)
        scale = config.train_dataloader.batch_size / probe
        return _parts(steps, config.train_cfg.max_epochs, train, val, scale)


def _parts(probe: Probe, epochs: int, train: int, val: int, scale: float) -> list[Part]:
    algorithm = probe.algorithm
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
        flops, saved, sent = probe.step()
        steps = lengths[name] * train
        parts.append(Part(name, lengths[name], steps, flops * scale, saved * scale, int(sent)))
    if hasattr(algorithm, 'batches_evaluated'):
        found = [algorithm.batches_evaluated(e, train, val) for e in range(1, epochs + 1)]
        if any(found):
            ends = sum(map(bool, found))
            parts.append(
                Part('evaluation', ends, sum(found), probe.forward_flops() * scale, 0.0, 0)
            )
    return parts


class Probe:
    """Runs steps of an algorithm on one small batch and counts what they take."""

    def __init__(self, algorithm: Any, optimizers: Any, batch: dict, draws: int) -> None:
        self.algorithm, self.optimizers, self.batch = algorithm, optimizers, batch
        self.bilevel = hasattr(algorithm, 'uses')
        self.draws = draws if hasattr(algorithm, 'draws') else 1
        for wrapper in optimizers.values():
            for group in wrapper.optimizer.param_groups:
                group['lr'] = 0.0  # the steps shall not change what is measured

    def step(self) -> tuple[float, float, float]:
        """Return the operations, the saved bytes and the bytes sent of a step, means of draws."""
        found = [self._step() for _ in range(self.draws)]
        flops, saved, sent = (sum(column) / len(found) for column in zip(*found, strict=True))
        return flops, saved, sent

    def train_step(self) -> None:
        """Do one step."""
        data = dict(train=self.batch, val=self.batch) if self.bilevel else self.batch
        self.algorithm.train()
        self.algorithm.train_step(data, self.optimizers)

    def _step(self) -> tuple[int, int, int]:
        with count_flops() as flops, count_saved(self.algorithm) as saved, counted() as sent:
            self.train_step()
        bytes_sent = sum(sent)
        if not self.bilevel:  # DDP averages every gradient
            trained = (p for p in self.algorithm.parameters() if p.requires_grad)
            bytes_sent = sum(p.numel() * p.element_size() for p in trained)
        return flops.get_total_flops(), saved.peak, bytes_sent

    def forward_flops(self) -> float:
        """Return the operations of evaluating the batch as an architecture that is drawn."""
        total = 0
        data = self.algorithm.data_preprocessor(self.batch, False)
        for _ in range(self.draws):
            self.algorithm.super_net.mixture = Fixed(self.algorithm.training_paths()[0])
            with count_flops() as flops, torch.no_grad():
                self.algorithm.task_loss(data)
            total += flops.get_total_flops()
        return total / self.draws


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
    total = images or IMAGES.get(data.type)
    if total is None:
        raise ConfigError(f'how many training images has {data.type}? give their number')
    if isinstance(data.get('indices'), int):
        total = min(total, data.indices)
    halves = [total, 0]
    if loop.get('type') == 'ppnas_mm.SearchLoop':
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


def seconds(parts: Sequence[Part], rate: float, bandwidth: float, processes: int) -> float:
    """Predict how long a search takes: computing, then sending around a ring.

    Args:
        parts: See :func:`search_cost`.
        rate: Floating-point operations a second of one process, measured on such a search.
        bandwidth: Bytes a second between two neighbours of the ring.
        processes: Number of processes; each passes on 2 (N - 1) / N of what is averaged.
    """
    around = 2 * (processes - 1) / processes
    return sum(p.steps * (p.flops / rate + around * p.sent / bandwidth) for p in parts)


def cost_report(parts: Sequence[Part]) -> str:
    """Return the parts of a search as a table, with their sum."""
    rows = [
        [
            part.name,
            part.epochs,
            f'{part.steps:,}',
            f'{part.flops / 1e9:.1f}',
            f'{part.saved / 2**20:.0f}',
            f'{part.sent / 1e6:.2f}',
            f'{part.steps * part.flops / 1e15:.2f}',
        ]
        for part in parts
    ]
    total = sum(part.steps * part.flops for part in parts) / 1e15
    steps = sum(part.steps for part in parts)
    rows.append(['all', '', f'{steps:,}', '', '', '', f'{total:.2f}'])
    header = ['part', 'epochs', 'steps', 'GFLOPs a step', 'saved, MiB', 'sent, MB', 'PFLOPs']
    return table(header, rows)
