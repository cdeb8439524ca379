"""Introspective distillation of CDARTS: embedding heads, ensemble, interactive loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class EmbeddingHead(nn.Sequential):
    """Maps features after a reduction to class logits (CDARTS, Fig. 2, "Embedding").

    The authors' head: ReLU, average pool of stride 2, 1x1 to 128, norm, ReLU, 2x2 to 768, norm,
    ReLU, mean over positions, linear.  Its norms have no affine parameters.

    Args:
        channels: Channels of the features.
        classes: Number of classes.
        pool: Size of the pooling window; at least 2 x 2 positions must be left after pooling.
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


def _rows(level: Tensor, like: Tensor) -> Tensor:
    """Flatten a level's logits to one row per sample, or per pixel if the network outputs a map.

    Args:
        level: Logits ``(N, C)`` or ``(N, C, H, W)``.
        like: The network's logits; the embedding of an image is repeated for each of its pixels.
    """
    if level.dim() == 2 and like.dim() > 2:
        level = level[..., None, None].expand(-1, -1, *like.shape[2:])
    return level.flatten(2).transpose(1, 2).flatten(0, 1) if level.dim() > 2 else level


def kl_divergence(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """Eq. 9 and 10 without T^2: 1 / N sum p log(p / q), p from the evaluation network."""
    q = functional.log_softmax(search / temperature, dim=1)
    p = functional.log_softmax(evaluation / temperature, dim=1)
    return functional.kl_div(q, p, reduction='batchmean', log_target=True)


def _kl_mean(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """The authors' code: eq. 9 also divided by the number of classes (torch's default)."""
    return kl_divergence(search, evaluation, temperature) / search.shape[1]


def _smooth_l1(search: Tensor, evaluation: Tensor, temperature: float) -> Tensor:
    """The authors' CIFAR scripts: SmoothL1 between the logits, without temperature."""
    return functional.smooth_l1_loss(search, evaluation)


DISTILLATIONS: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    'kl': kl_divergence,
    'kl_mean': _kl_mean,
    'smooth_l1': _smooth_l1,
}
"""Losses between the logits of the two networks, from (search, evaluation, temperature)."""

ENSEMBLES = ('sum', 'mean-of-losses')
SHARES = ('learned', None)


class IntrospectiveDistillation(nn.Module):
    """Ensemble of the levels of both networks, and the loss between them (Fig. 2, eq. 9 and 10).

    The levels are the embedded features after each reduction and, as the last level, the logits.

    Args:
        channels: Channels of the embedded features, one number for each level.
        classes: Number of classes.
        pools: Pooling size of each level's :class:`EmbeddingHead`.
        loss: A key of :data:`DISTILLATIONS`.
        temperature: Temperature T (2); every loss is multiplied by T^2 (eq. 9, authors' code).
        ensemble: ``'sum'``: one loss on the sum of the levels' logits (Fig. 2);
            ``'mean-of-losses'``: the mean of one loss per level, which for classification equals
            the loss of the levels concatenated along the batch (authors' scripts).
        shares: Scale of each level: ``'learned'``: a softmax of learned numbers (scripts);
            ``None``: unscaled (paper).
        levels: Indices of the levels to use, the last index for the logits; ``None``: all.
        freeze_heads: Whether the heads are frozen random projections (the CIFAR scripts).

    Raises:
        ValueError: If an option is unknown, or the numbers of pools and channels differ.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        pools: Sequence[int],
        loss: str = 'kl',
        temperature: float = 2.0,
        ensemble: str = 'mean-of-losses',
        shares: str | None = 'learned',
        levels: Sequence[int] | None = None,
        freeze_heads: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ('loss', loss, list(DISTILLATIONS)),
            ('ensemble', ensemble, ENSEMBLES),
            ('shares', shares, SHARES),
        ):
            if value not in known:
                raise ValueError(f'{name}={value!r}: expected one of {known}')
        if not temperature > 0:
            raise ValueError(f'temperature={temperature}: expected a positive number')
        if len(pools) != len(channels):
            raise ValueError(f'pools={pools}: the network has {len(channels)} reductions to embed')
        every = range(len(channels) + 1)
        self.chosen = sorted(every if levels is None else set(levels))
        if not self.chosen or not set(self.chosen) <= set(every):
            raise ValueError(
                f'levels={levels}: expected some of {list(every)}, the last for the logits'
            )
        sizes = [(channels[i], pools[i]) for i in self.chosen if i < len(channels)]
        self.heads = nn.ModuleList(EmbeddingHead(c, classes, pool) for c, pool in sizes)
        self.heads.requires_grad_(not freeze_heads)
        start = 0.333 * torch.rand(len(self.chosen))
        self.shares: nn.Parameter | None = None
        if shares is not None:
            self.shares = nn.Parameter(start)
        self.loss, self.ensemble = DISTILLATIONS[loss], ensemble
        self.temperature = temperature

    def levels(self, features: Sequence[Tensor], logits: Tensor) -> list[Tensor]:
        """Return the scaled logits of each level, one row per sample or pixel."""
        everything = [*features, logits]
        given = [everything[i] for i in self.chosen]
        found = [head(x) for head, x in zip(self.heads, given, strict=False)]
        found += given[len(found) :]
        if self.ensemble == 'sum':
            found = [_rows(level, like=logits) for level in found]
        else:
            found = [_rows(level, like=level) for level in found]
        if self.shares is None:
            return found
        # tensors of one element rather than scalars, because scalars would not change half
        # precision
        weights = self.shares.softmax(0).split(1)
        return [weight * level for weight, level in zip(weights, found, strict=True)]

    def forward(self, search: Any, evaluation: Any) -> Tensor:
        """Return the loss between the two networks, each given as (features, logits)."""
        mine, theirs = self.levels(*search), self.levels(*evaluation)
        if self.ensemble == 'sum':
            mine, theirs = [torch.stack(mine).sum(0)], [torch.stack(theirs).sum(0)]
        losses = [self.loss(s, e, self.temperature) for s, e in zip(mine, theirs, strict=True)]
        return self.temperature**2 * torch.stack(losses).mean()
