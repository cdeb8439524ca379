"""CDARTS: a search network and an evaluation network that teach each other.

Paper: Cyclic Differentiable Architecture Search, TPAMI 2022, Algorithm 1 and equations 5 to 11.
``docs/explanation/decisions.md`` lists where paper and authors' code differ.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ...costs.limits import Limits
from ...spaces.mixture import ArchPath, Fixed
from ...utils.registries import MODELS
from ..bilevel import BilevelSearch, owned_by, without_gradient
from ..draws import Draws
from ..limited import check_one_limit, strongest_within
from ..op_table import OpTable
from ..score_function import check_advantage, likelihood, sample, score_loss
from .distillation import IntrospectiveDistillation
from .networks import NetworkPair

JOINT = ('evaluation', 'joint', None)
PHASES = {'warm-up': ('train',), 'separate': ('val',), 'joint': ('train', 'val')}


@MODELS.register_module()
class CDARTS(BilevelSearch):
    """Cyclic search by CDARTS (Algorithm 1).

    An epoch is one phase.  After ``warmup_epochs`` come cycles of ``separate_epochs`` + 1 epochs:
    alpha is discretised (top 2), the evaluation network trains that architecture on the half
    ``val`` (eq. 7), then both networks learn jointly (eq. 8), while the search network's weights
    learn on the half ``train`` (eq. 6).  The evaluation network is a super-net of its own depth
    that runs only the chosen path, so all architectures share its weights without copying.  The
    derived network inherits the evaluation network's weights.

    Args:
        model: Config of the wrapped model, the search network; its backbone is a super-net.
        evaluation: Settings of the evaluation network's backbone that differ, such as
            ``num_cells=20``.
        classes: Number of classes of the embedding heads.
        pools: Pooling size of each embedding head; one for each reduction of the backbone.
        logits: Name of the model's module that outputs the logits, the last level.
        distillation: More arguments of :class:`IntrospectiveDistillation`.
        distill_weight: Weight lambda of the distillation in eq. 8, in addition to the factor T^2 of
            eq. 9: 4 in the paper, 1 in the scripts; 0: no distillation.
        l1_weight, l1_epochs: Weight of eq. 11 in the first cycle, and number of cycles until it is
            0.
        l1_ops: The operations whose alpha eq. 11 penalises; the paper: only the skip.
        l1_reduction: ``'sum'`` over the edges (eq. 11), or their ``'mean'`` (the authors' script
            for NAS-Bench-201).
        warmup_epochs: Number of epochs that train only the search network's weights.
        separate_epochs: Number S_E of epochs in each cycle that train only the evaluation network.
        joint_optimizer: Optimizer of the evaluation network in joint steps: ``'evaluation'``, as in
            the separate epochs; ``'joint'``, another one (paper: SGD and Adam); or ``None``: no
            update (Table 7).
        share_stem: Whether both networks share a stem (authors' code).
        inherit_weights: Whether the evaluation network starts its first cycle with the search
            network's weights.  One that starts from nothing is weaker than the search network's
            paths, and then distillation prefers weak paths (not in the paper).
        relaxation: The search network runs the ``'softmax'`` mixture of eq. 1, or one
            ``'sampled'`` path in each step; alpha then follows the score function of eq. 8, from
            ``samples`` paths on the same batch (:mod:`..score_function`).
        samples: Number of paths in a joint step with ``'sampled'``.
        advantage: How ``'sampled'`` compares the paths, see :func:`.score_loss`.
        seed: Seed of the draws; ``None`` takes torch's, which follows the search's ``--seed``.
        limits: A limit on the evaluation network's cost (see :class:`Limits`), in spaces of
            operations only; the search takes the strongest architecture within it.
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range or an operation is not a candidate.
        ConstraintError: If no architecture is within the limit.
    """

    def __init__(
        self,
        model: dict,
        evaluation: dict,
        classes: int,
        pools: Sequence[int],
        logits: str = 'head.fc',
        distillation: dict | None = None,
        distill_weight: float = 1.0,
        l1_weight: float = 5.0,
        l1_epochs: float = 20,
        l1_ops: Sequence[str] = ('skip_connect',),
        l1_reduction: str = 'sum',
        warmup_epochs: int = 0,
        separate_epochs: int = 1,
        joint_optimizer: str | None = 'evaluation',
        share_stem: bool = True,
        inherit_weights: bool = False,
        relaxation: str = 'softmax',
        samples: int = 3,
        advantage: str = 'loss',
        seed: int | None = None,
        limits: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        _check_options(
            warmup_epochs, separate_epochs, distill_weight, l1_weight, l1_reduction, joint_optimizer
        )
        if relaxation not in ('softmax', 'sampled'):
            raise ValueError(f"relaxation={relaxation!r}: expected 'softmax' or 'sampled'")
        self.samples, self.advantage = samples, advantage
        self.sampled = relaxation == 'sampled'
        if self.sampled:
            check_advantage(advantage, samples)
            self.table, self.draws = OpTable(self.super_net), Draws(seed)
        candidates = {op for c in self.super_net.choices.values() for op in c.candidates}
        if not set(l1_ops) <= candidates:
            raise ValueError(f'l1_ops={l1_ops}: expected operations of {sorted(candidates)}')
        self.evaluation_config = copy.deepcopy(self.model_config)
        self.evaluation_config['backbone'].update(evaluation)
        self.evaluation = MODELS.build(copy.deepcopy(self.evaluation_config))
        self.networks = NetworkPair(self.model, self.evaluation, logits, share_stem, evaluation)
        self.networks.check_logits(logits, classes)
        self.distillation = IntrospectiveDistillation(
            self.networks.channels, classes, pools, **(distillation or {})
        )
        self.distill_weight = distill_weight
        self.l1_weight, self.l1_epochs, self.l1_ops = l1_weight, l1_epochs, tuple(l1_ops)
        self.l1_reduction, self.joint_optimizer = l1_reduction, joint_optimizer
        self.warmup_epochs, self.separate_epochs = warmup_epochs, separate_epochs
        self.limits = Limits(self.evaluation, **limits) if limits else None
        if self.limits is not None:
            check_one_limit(self.super_net, self.limits)
        self.inherit_weights = inherit_weights
        if inherit_weights:
            self.networks.check_same_size()
        self.epoch = 1
        self._discretise()

    @property
    def inherited(self) -> tuple[BaseModel, dict[str, Any]]:
        """The evaluation network, and its config."""
        return self.evaluation, self.evaluation_config

    def optim_parts(self) -> dict[str, list[nn.Parameter]]:
        """Give ``evaluation`` its network and the distillation; both networks own a shared stem.

        ``joint`` owns the same as ``evaluation`` if joint steps have an optimizer of their own.
        """
        arch = list(self.arch_parameters().values())
        owned = {id(p) for p in arch}
        teacher = [*self.evaluation.parameters(), *self.distillation.parameters()]
        evaluation = [p for p in teacher if id(p) not in owned]
        return {
            'weights': [p for p in self.model.parameters() if id(p) not in owned],
            'evaluation': evaluation,
            **({'joint': evaluation} if self.joint_optimizer == 'joint' else {}),
            'arch': arch,
        }

    @property
    def phase(self) -> str:
        """Phase of this epoch: ``'warm-up'``, ``'separate'`` or ``'joint'``."""
        if self.epoch <= self.warmup_epochs:
            return 'warm-up'
        return 'joint' if self._cycle[1] == self.separate_epochs else 'separate'

    @property
    def uses(self) -> tuple[str, ...]:  # type: ignore[override]
        """Halves of the data that the phase needs."""
        return PHASES[self.phase]

    @property
    def l1_now(self) -> float:
        """Weight of the L1 norm in this cycle, which falls linearly to 0 (eq. 11)."""
        share = 1 - self._cycle[0] / self.l1_epochs if self.l1_epochs else 0.0
        return self.l1_weight * max(share, 0.0)

    @property
    def _cycle(self) -> tuple[int, int]:
        """Index of this cycle and of the epoch in it."""
        return divmod(max(self.epoch - 1 - self.warmup_epochs, 0), self.separate_epochs + 1)

    def before_epoch(self, epoch: int) -> None:
        """Store the epoch (from 1); discretise alpha for the evaluation network."""
        self.epoch = epoch
        if self.inherit_weights and epoch == self.warmup_epochs + 1:
            self.networks.copy_weights()
        self._discretise()

    def _discretise(self) -> None:
        # alpha changes in joint epochs only, so a resumed cycle finds the same architecture
        self.predict_as(Fixed(self.decide(strict=False)), self.evaluation.backbone)

    def decide(self, strict: bool) -> ArchPath:
        """Return the strongest operations and edges (top 2), within the limit if there is one.

        Raises:
            DegenerateArchitectureError: With ``strict``, if the path is not an architecture.
        """
        if self.limits is None:
            return super().decide(strict)
        return strongest_within(self.super_net, self.limits)

    def arch_losses(self) -> dict[str, Tensor]:
        """Return the L1 norm of alpha of the penalised operations (eq. 11), one term per edge.

        A mean is taken over the edges that have such an operation.
        """
        arch, choices = self.super_net.arch, self.super_net.choices
        edges = [
            torch.stack([arch[name][choices[name].candidates.index(op)].abs() for op in held]).sum()
            for name in arch
            if (held := [op for op in self.l1_ops if op in choices[name].candidates])
        ]
        if not edges or not self.l1_weight:
            return {}
        norm = torch.stack(edges)
        norm = norm.mean() if self.l1_reduction == 'mean' else norm.sum()
        return {'loss_l1': self.l1_now * norm}

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Do one step of the epoch's phase."""
        logs: dict[str, Tensor] = {}
        if self.phase == 'separate':
            with optim_wrapper.optim_context(self):
                loss = self.task_loss(self.half(data, 'val'), self.evaluation)
            optim_wrapper.update_parts(loss, ['evaluation'], average=True)
            return {'loss': loss.detach(), 'loss_evaluation': loss.detach()}
        if self.phase == 'joint':
            logs = self._joint_step(self.half(data, 'val'), optim_wrapper)
        with without_gradient(owned_by(optim_wrapper['arch'])):
            path = self.super_net.using(sample(self.table, self.draws)[0]) if self.sampled else None
            with optim_wrapper.optim_context(self), path or nullcontext():
                loss = self.task_loss(self.half(data, 'train'))
            optim_wrapper.update_parts(loss, ['weights'], average=True)
        return {'loss': loss.detach(), 'loss_task': loss.detach(), **logs}

    def _joint_step(self, batch: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update alpha and, unless it is frozen, the evaluation network (eq. 8)."""
        parts = ['arch'] if self.joint_optimizer is None else [self.joint_optimizer, 'arch']
        moving = {id(p) for part in parts for p in owned_by(optim_wrapper[part])}
        both = [p for part in ('weights', 'evaluation') for p in owned_by(optim_wrapper[part])]
        with without_gradient(p for p in both if id(p) not in moving):
            with optim_wrapper.optim_context(self):
                losses = self.joint_losses(batch)
                total = torch.stack(list(losses.values())).sum()
            optim_wrapper.update_parts(total, parts, average=True)
        return {name: loss.detach() for name, loss in losses.items()}

    def joint_losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of eq. 8 and eq. 11 on a preprocessed batch of the half ``val``."""
        if self.sampled:
            return self._sampled_losses(batch)
        search, mine = self.networks.observe(self.model, lambda: self.task_loss(batch))
        evaluation, theirs = self.networks.observe(
            self.evaluation, lambda: self.task_loss(batch, self.evaluation)
        )
        losses = {'loss_search': search, 'loss_evaluation': evaluation}
        if self.distill_weight:
            distilled = self.distillation(mine, theirs)
            losses['loss_distillation'] = self.distill_weight * distilled
        return {**losses, **self.arch_losses()}

    def _sampled_losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of eq. 8 with sampled paths; alpha gets the score function."""
        evaluation, theirs = self.networks.observe(
            self.evaluation, lambda: self.task_loss(batch, self.evaluation)
        )
        found, distilled, likelihoods = [], [], []
        for _ in range(self.samples):
            path, columns = sample(self.table, self.draws)
            with torch.no_grad(), self.super_net.using(path):
                search, mine = self.networks.observe(self.model, lambda: self.task_loss(batch))
            distilled.append(self.distill_weight * self.distillation(mine, theirs))
            found.append(search + distilled[-1].detach())
            likelihoods.append(likelihood(self.table, columns))
        score = score_loss(torch.stack(found), torch.stack(likelihoods), self.advantage)
        losses = {'loss_search': score, 'loss_evaluation': evaluation}
        if self.distill_weight:
            mean = torch.stack(distilled).mean()
            # the score has its value already; the evaluation network needs its gradient
            losses['loss_distillation'] = mean - mean.detach()
        return {**losses, **self.arch_losses()}


def _check_options(
    warmup: int, separate: int, distill: float, l1: float, reduction: str, joint: str | None
) -> None:
    """Reject options out of range, naming them."""
    for name, value in (
        ('warmup_epochs', warmup),
        ('separate_epochs', separate),
        ('distill_weight', distill),
        ('l1_weight', l1),
    ):
        if value < 0:
            raise ValueError(f'{name}={value}: expected 0 or more')
    if reduction not in ('sum', 'mean'):
        raise ValueError(f"l1_reduction={reduction!r}: expected 'sum' or 'mean'")
    if joint not in JOINT:
        raise ValueError(f'joint_optimizer={joint!r}: expected one of {JOINT}')
