"""Introspective distillation of CDARTS: embedding heads, ensemble, interactive loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class EmbeddingHead(nn.Sequential):
    """Maps the features after a reduction to class logits (CDARTS, Fig. 2, "Embedding").

    The authors' head: ReLU, average pool of stride 2, 1x1 to 128, norm, ReLU, 2x2 to 768, norm,
    ReLU, mean over positions, linear.  Its norms have no affine parameters.

    Args:
        channels: Channels of the features.
        classes: Number of classes.
        pool: Side of the pool; the features must leave at least 2 x 2 positions after it.
    """

    def __init__(self, channels: int, classes: int, pool: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(pool, stride=2, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128, affine=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768, affine=False),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(768, classes),
        )


@contextmanager
def captured(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what submodules return in the forward passes of the enclosed block.

    Args:
        model: The whole model.
        names: Names of its submodules.

    Raises:
        AttributeError: If the model has no such submodule.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: found.__setitem__(name, output)

    handles = [model.get_submodule(n).register_forward_hook(keep(n)) for n in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def channels_of(net: nn.Module, names: Sequence[str]) -> list[int]:
    """Return the channels that submodules of a backbone put out, by a look at a small image."""
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    training = net.training
    with captured(net.eval(), names) as found:
        net(first.weight.new_zeros(1, first.in_channels, 64, 64))
    net.train(training)
    return [found[name].shape[1] for name in names]


def _rows(logits: Tensor) -> Tensor:
    """Bring logits ``(N, C)`` or ``(N, C, H, W)`` to one row a sample or pixel."""
    return logits.flatten(2).transpose(1, 2).flatten(0, 1) if logits.dim() > 2 else logits


def kl_divergence(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """Eq. 9 and 10: T^2 / N sum p log(p / q), p from the evaluation network's logits ``(N, C)``."""
    q = functional.log_softmax(search / temperature, dim=1)
    p = functional.log_softmax(evaluation / temperature, dim=1)
    return functional.kl_div(q, p, reduction='batchmean', log_target=True) * temperature**2


def _kl_mean(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """The authors' code: eq. 9 divided by the number of classes, too (torch's default)."""
    return kl_divergence(search, evaluation, temperature) / search.shape[1]


def _smooth_l1(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """The authors' CIFAR scripts: T^2 times SmoothL1 between the logits."""
    return functional.smooth_l1_loss(search, evaluation) * temperature**2


def _mse(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """T^2 times the squared difference between the logits."""
    return functional.mse_loss(search, evaluation) * temperature**2


def _cosine(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """T^2 times the negative cosine between the logits."""
    return -functional.cosine_similarity(search, evaluation, dim=1).mean() * temperature**2


DISTILLATIONS: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    'kl': kl_divergence,
    'kl_mean': _kl_mean,
    'smooth_l1': _smooth_l1,
    'mse': _mse,
    'cosine': _cosine,
}
"""Losses between the logits of the two networks, from (search, evaluation, temperature)."""


class IntrospectiveDistillation(nn.Module):
    """Three-level ensemble of both networks' features and the loss between them.

    Each level's logits are scaled by its softmax weight; the loss is the mean over the levels,
    which for classification is that of their concatenation along the batch (authors' code).

    Args:
        channels: Channels of the embedded features, one level each.
        classes: Number of classes.
        pools: Side of the pool of each level's :class:`EmbeddingHead`.
        loss: A key of :data:`DISTILLATIONS`.
        temperature: Temperature T (2).
        learn_ensemble: Whether the weights of the levels learn (else they are equal).
        freeze_heads: Whether the heads are frozen random projections (the CIFAR scripts).
        detach_teacher: Whether the evaluation network gets no gradient from this loss.

    Raises:
        ValueError: If the loss is unknown or the numbers of channels and pools differ.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        pools: Sequence[int],
        loss: str = 'kl',
        temperature: float = 2.0,
        learn_ensemble: bool = True,
        freeze_heads: bool = False,
        detach_teacher: bool = False,
    ) -> None:
        super().__init__()
        if loss not in DISTILLATIONS:
            raise ValueError(f'loss={loss!r}: expected one of {list(DISTILLATIONS)}')
        if len(pools) != len(channels):
            raise ValueError(f'pools={pools}: the network has {len(channels)} reductions to embed')
        self.heads = nn.ModuleList(
            EmbeddingHead(c, classes, p) for c, p in zip(channels, pools, strict=True)
        )
        self.heads.requires_grad_(not freeze_heads)
        start = 0.333 * torch.rand(len(channels) + 1)
        self.ensemble = nn.Parameter(start if learn_ensemble else torch.zeros_like(start))
        self.ensemble.requires_grad_(learn_ensemble)
        self.loss = DISTILLATIONS[loss]
        self.temperature = temperature
        self.detach_teacher = detach_teacher

    def levels(self, features: Sequence[Tensor], logits: Tensor) -> list[Tensor]:
        """Return the weighted logits of each level, one row a sample (or pixel)."""
        embedded = [head(x) for head, x in zip(self.heads, features, strict=True)]
        # one number each, not a scalar: a scalar would leave half precision as it is
        weights = self.ensemble.softmax(0).split(1)
        levels = zip(weights, [*embedded, logits], strict=True)
        return [weight * _rows(level) for weight, level in levels]

    def forward(self, search: Any, evaluation: Any) -> Tensor:
        """Return the loss between the two networks, each given as (features, logits)."""
        pairs = zip(self.levels(*search), self.levels(*evaluation), strict=True)
        losses = [
            self.loss(s, e.detach() if self.detach_teacher else e, self.temperature)
            for s, e in pairs
        ]
        return torch.stack(losses).mean()
