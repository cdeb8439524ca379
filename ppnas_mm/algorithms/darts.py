"""DARTS: alternating gradient steps of network weights and architecture parameters.

Paper: DARTS: Differentiable Architecture Search, ICLR 2019, Algorithm 1 and equations 5 to 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..utils.distributed import average
from ..utils.registries import MODELS
from .bilevel import BilevelSearch, owned_by, without_gradient


@MODELS.register_module()
class DARTS(BilevelSearch):
    """First- and second-order DARTS.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        order: 1 uses the current weights; 2 looks one weight step ahead (eq. 6), with the
            finite-difference Hessian-vector product of eq. 8.
        epsilon: Length of the finite difference: epsilon / |gradient| (paper: 0.01).
        warmup_epochs: Number of epochs at the start that train only the weights.
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ValueError: If ``order`` is neither 1 nor 2.
    """

    def __init__(
        self,
        model: dict,
        order: int = 1,
        epsilon: float = 0.01,
        warmup_epochs: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if order not in (1, 2):
            raise ValueError(f'order={order}: expected 1 or 2')
        self.order = order
        self.epsilon = epsilon
        self.warmup_epochs = warmup_epochs

    def before_epoch(self, epoch: int) -> None:
        """Use only the half ``train`` during warm-up."""
        self.uses = ('train',) if epoch <= self.warmup_epochs else ('train', 'val')

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update alpha on the half ``val``, then the weights on the half ``train``."""
        train = self.half(data, 'train')
        weights, arch = (optim_wrapper[part] for part in ('weights', 'arch'))
        logs = {}
        if 'val' in self.uses:
            val = self.half(data, 'val')
            with without_gradient(owned_by(weights) if self.order == 1 else ()):
                if self.order == 1:
                    with optim_wrapper.optim_context(self):
                        loss = self.task_loss(val)
                else:  # in full precision, because it uses finite differences
                    loss = self._unrolled(train, val, weights.optimizer)
                optim_wrapper.update_parts(loss, ['arch'], average=True)
            logs['loss_val'] = loss.detach()
        with without_gradient(owned_by(arch)):
            with optim_wrapper.optim_context(self):
                loss = self.task_loss(train)
            optim_wrapper.update_parts(loss, ['weights'], average=True)
        return {'loss': loss.detach(), 'loss_task': loss.detach(), **logs}

    def _unrolled(self, train: Any, val: Any, optimizer: torch.optim.Optimizer) -> Tensor:
        """Return a surrogate of the validation loss whose gradient for alpha is that of eq. 7."""
        arch = list(self.arch_parameters().values())
        with kept_statistics(self.model):
            gradient, loss = self.unrolled_gradient(train, val, optimizer)
        stand_in = sum((g * p).sum() for g, p in zip(gradient, arch, strict=True))
        return stand_in + (loss - stand_in).detach()

    def unrolled_gradient(
        self, train: Any, val: Any, optimizer: torch.optim.Optimizer
    ) -> tuple[list[Tensor], Tensor]:
        """Return the gradient of L_val(w - xi dL_train/dw, alpha) for alpha (eq. 7, 8), and L_val.

        ``xi`` is the learning rate; momentum and weight decay are applied as in the real step.

        Raises:
            ValueError: If the weights' optimizer is not plain SGD.
        """
        arch = list(self.arch_parameters().values())
        owned = {id(p) for p in arch}
        weights = [p for p in self.model.parameters() if p.requires_grad and id(p) not in owned]
        before = [p.detach().clone() for p in weights]
        rates, ahead = _step_ahead(optimizer, weights, self._gradient(train, weights))
        _set(weights, ahead)
        loss = self.task_loss(val)
        found = torch.autograd.grad(loss, [*arch, *weights], allow_unused=True)
        gradient = _filled(found[: len(arch)], arch)
        ahead = _filled(found[len(arch) :], weights)
        average(ahead)
        direction = [rate * d for rate, d in zip(rates, ahead, strict=True)]
        length = torch.stack([d.norm() for d in direction]).norm()
        step = self.epsilon / length.clamp(min=1e-12)
        sides = []
        for sign in (1, -1):
            _set(weights, [w + sign * step * d for w, d in zip(before, direction, strict=True)])
            sides.append(self._gradient(train, arch))
        _set(weights, before)
        product = [(plus - minus) / (2 * step) for plus, minus in zip(*sides, strict=True)]
        result = [g - p for g, p in zip(gradient, product, strict=True)]
        return [g.detach() for g in result], loss.detach()

    def _gradient(self, batch: Any, parameters: list[nn.Parameter]) -> list[Tensor]:
        found = torch.autograd.grad(self.task_loss(batch), parameters, allow_unused=True)
        gradients = _filled(found, parameters)
        average(gradients)  # over the batches of all processes
        return gradients


def _filled(gradients: Any, parameters: list[nn.Parameter]) -> list[Tensor]:
    return [
        torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)
    ]


@torch.no_grad()
def _set(parameters: list[nn.Parameter], values: list[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)


@torch.no_grad()
def _step_ahead(
    optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], gradients: list[Tensor]
) -> tuple[list[float], list[Tensor]]:
    """Return the learning rate of each weight and its value after one SGD step; change nothing."""
    options = optimizer.defaults
    if type(optimizer) is not torch.optim.SGD or options['nesterov'] or options['dampening']:
        raise ValueError(
            f'order=2 looks ahead along plain SGD; weights.optimizer is {type(optimizer).__name__} '
            f'with {options}'
        )
    groups = {id(p): group for group in optimizer.param_groups for p in group['params']}
    rates, values = [], []
    for weight, gradient in zip(weights, gradients, strict=True):
        group = groups.get(id(weight), {'lr': 0.0})
        update = gradient + group.get('weight_decay', 0.0) * weight
        buffer = optimizer.state.get(weight, {}).get('momentum_buffer')
        if buffer is not None:
            update = update + group['momentum'] * buffer
        rates.append(group['lr'])
        values.append(weight - group['lr'] * update)
    return rates, values


@contextmanager
def kept_statistics(model: nn.Module) -> Iterator[None]:
    """Restore the buffers (running statistics) after the enclosed forward passes."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
