"""PP-NAS on CIFAR-10 at the paper's width and reduced depth, with the data on the device.

It searches, derives, and trains the result from scratch as far as time allows; the next run
continues after the last finished epoch.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from ...config.keys import ConfigError
from ...engine.derive import derive_model
from ...genotype import Genotype
from ...utils.compat import require
from ...utils.files import write_atomic
from ...utils.registries import MODELS
from ..step import classifier
from .images import Images, load
from .parts import Options, Row

FILE = 'cifar.pth'
RESERVE = 30.0
"""Seconds kept for deriving and testing."""
RATE = 0.1
REPORTED = 5
"""Epochs between rows."""


@dataclass(frozen=True)
class Size:
    """Size of the network and of the run.

    Attributes:
        backbone: Arguments of super-net and derived network.
        epochs: Number of epochs of the search, and of the training.
        batch: Images per step.
        images: Maximum number of images; ``None``: all.
    """

    backbone: dict[str, Any]
    epochs: int = 60
    batch: int = 128
    images: int | None = None


PAPER = Size(dict(depth=20, base_width=26))
"""The paper's width; its depth is 110, its epochs are 300."""
TINY = Size(dict(depth=20, stem_channels=8, base_channels=8), epochs=1, batch=16, images=64)


class Run:
    """A search followed by a training, with checkpoints.

    Args:
        size: See :class:`Size`.
        options: See :class:`Options`.
        train: Training images.
    """

    def __init__(self, size: Size, options: Options, train: Images) -> None:
        self.size, self.device, self.train = size, options.device, train
        self.path = options.out / FILE
        require('mmpretrain.models')
        self.start(None)
        if self.path.is_file():
            self.restore()

    def start(self, genotype: dict[str, Any] | None) -> None:
        """Build the network to train: the super-net, or the network of a genotype."""
        self.genotype, self.epoch = genotype, 0
        sgd = dict(optimizer=dict(type='SGD', lr=RATE, momentum=0.9, weight_decay=5e-4))
        if genotype is None:
            backbone = dict(type='ppnas_mm.PPConvSuperNet', macro='cifar', **self.size.backbone)
            model: dict[str, Any] = dict(type='ppnas_mm.PPNAS', model=classifier(backbone, 10))
            adam = dict(optimizer=dict(type='Adam', lr=1e-2, betas=(0.9, 0.999)))
            parts: dict[str, Any] = dict(weights=sgd, arch=adam)
            parts['constructor'] = 'ppnas_mm.SearchOptimConstructor'
        else:
            backbone = dict(type='ppnas_mm.PPResNetCIFAR', arch=genotype, **self.size.backbone)
            model, parts = classifier(backbone, 10), sgd
        torch.manual_seed(0)
        self.model: Any = MODELS.build(model).to(self.device)
        self.model.to(memory_format=torch.channels_last)
        self.optimizers: Any = build_optim_wrapper(self.model, parts)

    @property
    def phase(self) -> str:
        """``'search'`` or ``'training'``."""
        return 'search' if self.genotype is None else 'training'

    @property
    def network(self) -> Any:
        """The classifier that is trained."""
        return self.model.model if self.genotype is None else self.model

    def save(self) -> None:
        """Write the checkpoint without the momentum of the weights, to keep it below 16 MiB."""
        file = io.BytesIO()
        state = dict(
            epoch=self.epoch,
            genotype=self.genotype,
            data=[self.train.name, len(self.train.labels)],
            model=self.model.state_dict(),
        )
        if self.genotype is None:
            state['arch'] = self.optimizers['arch'].state_dict()
        torch.save(state, file)
        write_atomic(self.path, file.getvalue())

    def restore(self) -> None:
        """Continue from the checkpoint.

        Raises:
            ConfigError: If it was trained on other images.
        """
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        given = [self.train.name, len(self.train.labels)]
        if state['data'] != given:
            raise ConfigError(f'{self.path}: trained on {state["data"]}, here is {given}')
        self.start(state['genotype'])
        self.model.load_state_dict(state['model'])
        if self.genotype is None:
            self.optimizers['arch'].load_state_dict(state['arch'])
        self.epoch = state['epoch']

    def train_epoch(self) -> float:
        """Train one epoch; return the mean loss."""
        self.model.train()
        steps = len(self.train.labels) // self.size.batch
        losses = []
        batches = self.train.batches(self.size.batch, seed=self.epoch + 1, drop_last=True)
        for number, (x, labels) in enumerate(batches):
            done = (self.epoch + number / steps) / self.size.epochs
            part = self.optimizers['weights'] if self.genotype is None else self.optimizers
            for group in part.optimizer.param_groups:
                group['lr'] = RATE / 2 * (1 + math.cos(math.pi * done))
            loss = functional.cross_entropy(self.logits(x), labels)
            losses.append(loss.detach())
            if self.genotype is None:
                loss = loss + torch.stack(list(self.model.arch_losses().values())).sum()
            self.optimizers.update_params(loss)
        self.epoch += 1
        return float(torch.stack(losses).mean())

    def logits(self, x: Tensor, network: nn.Module | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` in float32, computed in bfloat16 on a GPU."""
        net: Any = network or self.network
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == 'cuda'):
            return net.head(net.extract_feat(x)).float()

    @torch.no_grad()
    def accuracy(self, test: Images, network: nn.Module | None = None) -> float:
        """Return the accuracy of a network on the test images, in per cent."""
        net = (network or self.network).eval()
        right = [(self.logits(x, net).argmax(1) == labels).sum() for x, labels in test.batches(500)]
        return 100 * float(torch.stack(right).sum()) / len(test.labels)

    def derived(self) -> tuple[Genotype, Any]:
        """Return the architecture and its network with inherited weights, norms recalibrated."""
        genotype = self.model.derive(strict=False)
        network: Any = derive_model(self.model, genotype)
        network.to(memory_format=torch.channels_last)
        batches = (x for x, _ in self.train.batches(self.size.batch, seed=0, drop_last=True))
        update_bn(batches, network.backbone)
        return genotype, network


def rows(options: Options) -> Iterator[Row]:
    """Yield a row every few epochs, then the accuracies on the test images."""
    size = TINY if options.tiny else PAPER
    torch.backends.cudnn.benchmark = True
    train, test = load(options.data, options.device, size.images)
    run = Run(size, options, train)
    yield dict(data=train.name, training_images=len(train.labels), phase=run.phase, epoch=run.epoch)
    seconds = 0.0
    while options.left > RESERVE + 2 * seconds or options.tiny:
        if run.epoch == size.epochs and run.phase == 'training':
            break
        if run.epoch == size.epochs:
            run.start(run.derived()[0].to_dict())
        start = time.monotonic()
        loss = run.train_epoch()
        seconds = time.monotonic() - start
        run.save()
        if run.epoch % REPORTED == 0 or run.epoch == size.epochs:
            yield dict(phase=run.phase, epoch=run.epoch, of=size.epochs, loss=loss, seconds=seconds)
    yield from results(run, test)


def results(run: Run, test: Images) -> Iterator[Row]:
    """Yield the accuracies of the available networks, in per cent."""
    if run.phase == 'training':
        yield _result('derived, retrained', run, run.accuracy(test), run.model.backbone.genotype)
        return
    genotype, network = run.derived()
    yield _result('super-net', run, run.accuracy(test), genotype)
    yield _result('derived, inherited weights', run, run.accuracy(test, network), genotype)


def _result(network: str, run: Run, accuracy: float, genotype: Genotype) -> Row:
    return dict(network=network, epochs=run.epoch, accuracy=accuracy, genotype=genotype.hash[:12])
