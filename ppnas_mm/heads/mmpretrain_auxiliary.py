"""A classifier with an auxiliary tower (DARTS; CDARTS, Section 4.3: weight 0.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from ..utils.compat import require

LinearClsHead = require('mmpretrain.models.heads').LinearClsHead

POOL = 5
POOL_STRIDES = {'cifar': 3, 'imagenet': 2}


def auxiliary_tower(in_channels: int, classes: int, variant: str, norm_cfg: dict) -> nn.Sequential:
    """Build the auxiliary classifier: ``(N, in_channels, H, W)`` to ``(N, classes)``.

    On maps of 8 x 8 (CIFAR) or 7 x 7 (ImageNet) it is that of DARTS; larger maps are averaged
    before the classifier.  Its ImageNet variant has no norm after the second convolution.
    """
    # without bias in both variants, as in the authors' code
    last = dict(norm_cfg=norm_cfg if variant == 'cifar' else None, bias=False)
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(POOL, POOL_STRIDES[variant], count_include_pad=False),
        ConvModule(in_channels, 128, 1, norm_cfg=norm_cfg),
        ConvModule(128, 768, 2, **last),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(768, classes),
    )


class AuxiliaryClsHead(LinearClsHead):  # type: ignore[misc, valid-type]
    """Linear classifier on the last map; in training also an auxiliary one on the first map.

    For a backbone such as ``DARTSNet(auxiliary=True)``, whose maps begin, in training only,
    with the auxiliary one.  The head averages the last map itself: the classifier has no neck.
    In evaluation mode no part of the tower runs.

    Args:
        num_classes: Number of classes.
        in_channels: Channels of the last map.
        aux_channels: Channels of the auxiliary map.
        aux_weight: Weight of the auxiliary loss.
        variant: ``'cifar'`` (maps of 8 x 8 or more) or ``'imagenet'`` (7 x 7 or more).
        norm_cfg: Norm of the tower.
        **kwargs: See mmpretrain's ``LinearClsHead``; ``loss`` serves both classifiers.

    Raises:
        ValueError: If ``variant`` is not known.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        aux_channels: int,
        aux_weight: float = 0.4,
        variant: str = 'cifar',
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if variant not in POOL_STRIDES:
            raise ValueError(f'variant={variant!r}: expected one of {sorted(POOL_STRIDES)}')
        super().__init__(num_classes=num_classes, in_channels=in_channels, **kwargs)
        self.aux_channels = aux_channels
        self.aux_weight = aux_weight
        self.smallest = POOL + POOL_STRIDES[variant]
        norm = norm_cfg or dict(type='BN')
        self.auxiliary = auxiliary_tower(aux_channels, num_classes, variant, norm)

    def pre_logits(self, feats: Sequence[Tensor]) -> Tensor:
        """Average the last map ``(N, in_channels, H, W)`` over its positions."""
        return feats[-1].mean((2, 3))

    def loss(self, feats: Sequence[Tensor], data_samples: list, **kwargs: Any) -> dict:
        """Return the losses ``loss`` and, in training, the weighted ``loss_aux``.

        Raises:
            ValueError: If the first map is not an auxiliary one, or too small.
        """
        losses = super().loss(feats, data_samples, **kwargs)
        if self.training:
            score = self.auxiliary(self._auxiliary_map(feats))
            loss = self._get_loss(score, data_samples, **kwargs)['loss']
            losses['loss_aux'] = self.aux_weight * loss
        return losses

    def _auxiliary_map(self, feats: Sequence[Tensor]) -> Tensor:
        shape, least = tuple(feats[0].shape), self.smallest
        if len(feats) < 2 or shape[1] != self.aux_channels:
            raise ValueError(
                f'AuxiliaryClsHead: expected an auxiliary map of {self.aux_channels} channels '
                f'before the last map, got {len(feats)} maps, the first of {shape[1]} channels; '
                'set auxiliary=True in the backbone'
            )
        if min(shape[2:]) < least:
            raise ValueError(
                f'AuxiliaryClsHead: its map is {shape[2]} x {shape[3]}, expected {least} x {least} '
                'at least; use LinearClsHead for such small images'
            )
        return feats[0]
