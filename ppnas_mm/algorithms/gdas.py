"""GDAS: differentiable search that computes only the sampled operations.

Paper: Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019, equations 3 to 6;
EoiNAS, Section III-A, equations 3 to 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..spaces.mixture import Choice, Weights
from ..utils.registries import MODELS
from .accuracy import BatchAccuracy
from .bilevel import BilevelSearch, owned_by, without_gradient
from .draws import Draws
from .op_table import OpTable
from .score_function import (
    Drawn,
    check_advantage,
    connections,
    gumbel,
    likelihood,
    score_loss,
)


@dataclass(frozen=True)
class Temperature:
    """Temperature T of an epoch (from 1): ``start`` for ``hold`` epochs, then falling to ``end``.

    Attributes:
        start, end: T of the first and of the last epoch.
        epochs: Number of epochs of the search.
        shape: ``'linear'`` or ``'exponential'``.
        hold: Number of epochs at the start that keep ``start``.
    """

    start: float = 10.0
    end: float = 0.1
    epochs: int = 250
    shape: str = 'linear'
    hold: int = 0

    def __post_init__(self) -> None:
        if self.shape not in ('linear', 'exponential'):
            raise ValueError(f"temperature.shape={self.shape!r}: 'linear' or 'exponential'")
        if not 0 < self.end <= self.start or not 0 <= self.hold < self.epochs:
            raise ValueError(f'{self}: expected 0 < end <= start and 0 <= hold < epochs')

    def __call__(self, epoch: int) -> float:
        """Return T of an epoch; it stays at ``end`` after the last."""
        length = max(1, self.epochs - 1 - self.hold)
        done = min(max(epoch - 1 - self.hold, 0) / length, 1.0)
        if self.shape == 'linear':
            return self.start + (self.end - self.start) * done
        return self.start * (self.end / self.start) ** done


class MostLikely:
    """The operation of largest alpha on every edge; the super-net predicts with these.

    Args:
        keepable: Returns the candidates of a choice that an architecture may contain.
    """

    def __init__(self, keepable: Callable[[str], tuple[int, ...]]) -> None:
        self.keepable = keepable

    def __call__(self, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
        """Return the strongest candidate of an operation, and all connections."""
        if choice.gates or parameter is None:
            return connections(choice, parameter, alive)
        left = self.keepable(choice.name)
        return Weights((left[int(parameter.detach()[list(left)].argmax())],))


@MODELS.register_module()
class GDAS(BilevelSearch):
    """Alternating steps of the weights and alpha, with operations drawn by Gumbel-softmax.

    The weights take a step on the half ``train``, then alpha takes one on the half ``val``, each
    with its own draw (Algorithm 1 of EoiNAS; authors' code of GDAS).  All cells of a kind and all
    processes share a draw.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        temperature: Arguments of :class:`Temperature`; ``epochs`` is that of the run.
        warmup_epochs: Number of epochs at the start that train only the weights.
        hard: Whether to compute only the drawn operation (GDAS, eq. 5), or all operations with
            the soft weights of eq. 5 of EoiNAS (the code of EoiNAS).
        init_std: Standard deviation of the initial alpha (authors' code: 1e-3).
        accuracy: How accuracy is measured, see :class:`BatchAccuracy`.
        gradient: Of alpha: ``'path'``, through the drawn operation (eq. 5), or ``'score'``: the
            score function of several draws on the same batch (:mod:`.score_function`).
        samples: Number of draws in a step of alpha with ``'score'``.
        advantage: How ``'score'`` compares the draws, see :func:`.score_loss`.
        seed: Seed of the draws; ``None`` takes torch's, which follows the search's ``--seed``.
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range.
    """

    shared_statistics = True
    strict_rates = True
    usual_epochs = 250  # used until a loop attaches the number of epochs

    def __init__(
        self,
        model: dict,
        temperature: dict | None = None,
        warmup_epochs: int = 0,
        hard: bool = True,
        init_std: float = 1e-3,
        accuracy: str = 'head',
        gradient: str = 'path',
        samples: int = 3,
        advantage: str = 'loss',
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if gradient not in ('path', 'score'):
            raise ValueError(f"gradient={gradient!r}: expected 'path' or 'score'")
        check_advantage(advantage, samples)
        if warmup_epochs < 0 or init_std < 0:
            raise ValueError(f'warmup_epochs={warmup_epochs}, init_std={init_std}: below 0')
        self.table = OpTable(self.super_net)
        self.predict_as(MostLikely(self.super_net.keepable))
        for choice in self.table.choices:
            torch.nn.init.normal_(self.super_net.arch[choice.name], std=init_std)
        self.given_temperature = dict(temperature or {})
        self.given_warmup = warmup_epochs
        self.hard = hard
        self.gradient, self.samples, self.advantage = gradient, samples, advantage
        self.measure = BatchAccuracy(self.model, accuracy)
        self.draws = Draws(seed)
        self.now = Temperature(**self.given_temperature).start

    @property
    def length(self) -> int:
        """Number of epochs of the search."""
        return self.epochs or self.usual_epochs

    @property
    def warmup_epochs(self) -> int:
        """Number of epochs at the start that train only the weights."""
        return self.given_warmup

    @property
    def temperature(self) -> Temperature:
        """The temperature of each epoch."""
        return Temperature(**{'epochs': self.length, **self.given_temperature})

    def attach(self, loaders: Mapping[str, Any], epochs: int) -> None:
        """Also check that the schedules end with the run.

        Raises:
            ValueError: If one does not; the message names the key and the right value.
        """
        super().attach(loaders, epochs)
        if self.warmup_epochs >= epochs:
            raise ValueError(
                f'warmup_epochs={self.warmup_epochs}: expected less than the {epochs} epochs of '
                'the run (train_cfg.max_epochs)'
            )
        if self.temperature.epochs != epochs:
            raise ValueError(
                f'temperature.epochs={self.temperature.epochs}: the run has {epochs} epochs '
                '(train_cfg.max_epochs); leave it out'
            )

    def before_epoch(self, epoch: int) -> None:
        """Set the temperature; use only the half ``train`` during warm-up."""
        self.uses = ('train',) if epoch <= self.warmup_epochs else ('train', 'val')
        self.now = self.temperature(epoch)

    def draw(self, differentiable: bool) -> tuple[Drawn, Tensor]:
        """Draw an operation for each choice (eq. 5).

        Args:
            differentiable: Whether alpha needs a gradient; the drawn operation then has the scale
                ``h = 1 + p - p.detach()``, where p is the softmax of eq. 5.

        Returns:
            The mixture and the drawn columns, ``(choices,)``.
        """
        with torch.set_grad_enabled(differentiable):
            logits = self.table.logits().log_softmax(1)
            noise = gumbel(self.draws, logits.shape).to(logits.device)
            p = ((logits + noise) / self.now).softmax(1)
            drawn = p.detach().argmax(1)
            weights = self._hard(p, drawn) if self.hard else self._soft(p)
        names = [choice.name for choice in self.table.choices]
        return Drawn(dict(zip(names, weights, strict=True))), drawn

    def _hard(self, p: Tensor, drawn: Tensor) -> list[Weights]:
        # the only read from the GPU in a step: the CPU must know what to compute
        kept = [(i,) for i in drawn.tolist()]
        if not p.requires_grad:
            return [Weights(k) for k in kept]
        chosen = p.gather(1, drawn[:, None])
        scales = (1 - chosen.detach() + chosen).unbind()
        return [Weights(k, s) for k, s in zip(kept, scales, strict=True)]

    def _soft(self, p: Tensor) -> list[Weights]:
        alive = [self.super_net.alive_candidates(choice.name) for choice in self.table.choices]
        return [Weights(a, row[list(a)]) for a, row in zip(alive, p.unbind(), strict=True)]

    def drawn_loss(self, data: Any, differentiable: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return loss, accuracy in per cent, and the drawn columns, for a preprocessed batch."""
        mixture, drawn = self.draw(differentiable)
        with self.super_net.using(mixture):
            return *self.measure(data), drawn

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the weights on the half ``train``, then alpha on the half ``val``."""
        weights, arch = (optim_wrapper[part] for part in ('weights', 'arch'))
        with without_gradient(owned_by(arch)):
            with optim_wrapper.optim_context(self):
                loss, accuracy, drawn = self.drawn_loss(self.half(data, 'train'), False)
            optim_wrapper.update_parts(loss, ['weights'], average=True)
        logs = {'loss': loss.detach(), 'loss_task': loss.detach(), 'accuracy_train': accuracy}
        if 'val' not in self.uses:
            return logs
        self.on_training(drawn)
        with without_gradient(owned_by(weights)):
            with optim_wrapper.optim_context(self):
                loss, accuracy = self.arch_loss(self.half(data, 'val'))
            if loss.requires_grad:  # it does not if ``none`` cuts every path to the output
                optim_wrapper.update_parts(loss, ['arch'], average=True)
        return {**logs, 'loss_val': loss.detach(), 'accuracy_val': accuracy}

    def arch_loss(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return a loss with the gradient for alpha, and the accuracy, on a preprocessed batch."""
        if self.gradient == 'path':
            loss, accuracy, drawn = self.drawn_loss(batch, True)
            self.on_validation(drawn, accuracy)
            return loss, accuracy
        found = []
        for _ in range(self.samples):
            with torch.no_grad():
                found.append(self.drawn_loss(batch, False))
            self.on_validation(found[-1][2], found[-1][1])
        losses = torch.stack([loss for loss, *_ in found])
        likelihoods = torch.stack([likelihood(self.table, drawn) for *_, drawn in found])
        accuracy = torch.stack([accuracy for _, accuracy, _ in found]).mean()
        return score_loss(losses, likelihoods, self.advantage), accuracy

    def on_training(self, drawn: Tensor) -> None:
        """Handle the columns drawn for a step of the weights; called after the warm-up."""

    def on_validation(self, drawn: Tensor, accuracy: Tensor) -> None:
        """Handle the columns drawn for a step of alpha and its accuracy in per cent."""
