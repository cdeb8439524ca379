"""GFLV2: a box's quality predicted from the statistics of its distribution.

Paper: Generalized Focal Loss V2, CVPR 2021, Section 3.2; used by PP-NAS, Section IV-D.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..utils.compat import require

GFLHead = require('mmdet.models.dense_heads').GFLHead
multi_apply = require('mmdet.models.utils').multi_apply


class GFLV2Head(GFLHead):  # type: ignore[misc, valid-type]
    """GFL head with the Distribution-Guided Quality Predictor (DGQP).

    The score of a class is sigmoid(c) * sigmoid(r) with the class logit c and DGQP's logit r.
    ``forward`` returns the *logit* of that product, c + r - log(1 + exp(c) + exp(r)), so
    losses, mixed precision and prediction of mmdet's ``GFLHead`` work unchanged.

    Official checkpoints have the same keys (``bbox_head.cls_convs...``, ``gfl_cls``, ``gfl_reg``,
    ``scales``, ``reg_conf.0``, ``reg_conf.2``, ``integral.project``) but one more output of
    ``gfl_cls``, an unused background, which is removed when they are loaded.

    Args:
        *args: See mmdet's ``GFLHead``.
        reg_topk: The k largest probabilities of each side that DGQP sees.
        reg_channels: Hidden channels of DGQP.
        add_mean: Whether DGQP also sees the mean of these k.
        separate_bn: Whether each pyramid level has its own norms with shared convolutions
            (the authors of PP-NAS; mmdet's ``RetinaSepBNHead`` for RetinaNet).
        use_scale: Whether each level scales its regression (the authors of PP-NAS do not).
        **kwargs: See mmdet's ``GFLHead``; ``loss_dfl.loss_weight`` is 0.25 in the official code
            and 1.0 in that of PP-NAS's authors.

    Raises:
        ValueError: If ``reg_topk`` is not between 1 and ``reg_max + 1``.
    """

    cls_convs: Any
    reg_convs: Any

    def __init__(
        self,
        *args: Any,
        reg_topk: int = 4,
        reg_channels: int = 64,
        add_mean: bool = True,
        separate_bn: bool = False,
        use_scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if not 1 <= reg_topk <= kwargs.get('reg_max', 16) + 1:
            raise ValueError(f'reg_topk={reg_topk}: expected 1 to reg_max + 1')
        self.reg_topk = reg_topk
        self.reg_channels = reg_channels
        self.add_mean = add_mean
        self.separate_bn = separate_bn
        self.use_scale = use_scale
        super().__init__(*args, **kwargs)

    def _init_layers(self) -> None:
        super()._init_layers()
        levels = len(self.prior_generator.strides)
        if self.separate_bn:
            self.cls_convs = _with_own_norms(self.cls_convs, levels)
            self.reg_convs = _with_own_norms(self.reg_convs, levels)
        if not self.use_scale:
            self.scales = nn.ModuleList(nn.Identity() for _ in range(levels))
        self.reg_conf = nn.Sequential(
            nn.Conv2d(4 * (self.reg_topk + self.add_mean), self.reg_channels, 1),
            nn.ReLU(),
            nn.Conv2d(self.reg_channels, 1, 1),
        )

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level's (N, C, H, W) to joint logits (N, classes, H, W) and box logits."""
        return multi_apply(self.forward_single, x, self.scales, range(len(x)))

    def forward_single(self, x: Tensor, scale: nn.Module, level: int = 0) -> tuple[Tensor, Tensor]:
        """Do so for one level; box logits are (N, 4 * (reg_max + 1), H, W)."""
        cls_feat = reg_feat = x
        for conv in self.cls_convs[level] if self.separate_bn else self.cls_convs:
            cls_feat = conv(cls_feat)
        for conv in self.reg_convs[level] if self.separate_bn else self.reg_convs:
            reg_feat = conv(reg_feat)
        bbox_pred = scale(self.gfl_reg(reg_feat)).float()
        logit = self.gfl_cls(cls_feat).float()
        quality = self.reg_conf(self.statistics(bbox_pred)).float()
        return logit + quality - torch.logaddexp(softplus(logit), quality), bbox_pred

    def statistics(self, bbox_pred: Tensor) -> Tensor:
        """Return what DGQP sees: each side's top-k probabilities, and their mean.

        Args:
            bbox_pred: Box logits (N, 4 * (reg_max + 1), H, W).

        Returns:
            (N, 4 * (k + 1), H, W), or 4 * k channels without the mean.
        """
        n, _, h, w = bbox_pred.shape
        prob = bbox_pred.reshape(n, 4, self.reg_max + 1, h, w).softmax(2)
        top = prob.topk(self.reg_topk, dim=2).values
        if self.add_mean:
            top = torch.cat([top, top.mean(2, keepdim=True)], dim=2)
        return top.reshape(n, -1, h, w)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        for name in ('weight', 'bias'):
            key = f'{prefix}gfl_cls.{name}'
            if key in state_dict and len(state_dict[key]) == self.cls_out_channels + 1:
                state_dict[key] = state_dict[key][:-1]
        super()._load_from_state_dict(state_dict, prefix, *args)


def _with_own_norms(tower: nn.ModuleList, levels: int) -> nn.ModuleList:
    """Return a tower for each level with shared convolutions and separate norms."""
    towers: list[Any] = [copy.deepcopy(tower) for _ in range(levels)]
    for other in towers[1:]:
        for first, layer in zip(towers[0], other, strict=True):
            layer.conv = first.conv
    return nn.ModuleList(towers)
