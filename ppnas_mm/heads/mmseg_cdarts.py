"""The segmentation decoder of CDARTS, its auxiliary heads and its loss (CDARTS, Section 4.6).

The paper does not describe them; this follows the authors' released code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule, build_activation_layer, build_norm_layer
from mmengine.model import constant_init
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ..utils.compat import require

BaseDecodeHead = require('mmseg.models.decode_heads.decode_head').BaseDecodeHead
PAM = require('mmseg.models.decode_heads.da_head').PAM
LOW_CHANNELS = 48


class AttentionBlock(nn.Module):
    """A residual block whose branch attends to all pixels, at half of the resolution.

    Args:
        in_channels: Channels of the input.
        channels: Channels of branch and output; if they differ from the input, the shortcut has a
            1x1 convolution.
        **layer: ``conv_cfg``, ``norm_cfg`` and ``act_cfg`` as in ``mmcv.cnn.ConvModule``.
    """

    def __init__(self, in_channels: int, channels: int, **layer: Any) -> None:
        super().__init__()
        self.reduce = ConvModule(in_channels, channels, 1, **layer)
        self.attention = PAM(channels, max(1, channels // 8))
        # norm and activation of the attention output, then a linear 1x1
        self.norm = build_norm_layer(layer['norm_cfg'] or dict(type='BN'), channels)[1]
        self.act = build_activation_layer(layer['act_cfg'])
        self.project = ConvModule(channels, channels, 1, **{**layer, 'act_cfg': None})
        self.shortcut = (
            ConvModule(in_channels, channels, 1, **layer)
            if in_channels != channels
            else nn.Identity()
        )

    def init_weights(self) -> None:
        """Let the block start as its shortcut."""
        constant_init(self.project.norm, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C, H, W)``."""
        size = x.shape[-2:]
        half = [max(1, side // 2) for side in size]
        y = interpolate(x, half, mode='bilinear', align_corners=True)
        y = self.act(self.norm(self.attention(self.reduce(y))))
        y = interpolate(self.project(y), size, mode='bilinear', align_corners=True)
        return self.act(self.shortcut(x) + y)


def _up(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, like.shape[-2:], mode='bilinear', align_corners=False)


class CDARTSHead(BaseDecodeHead):  # type: ignore[misc, valid-type]
    """The decoder: from stride 32 upwards, fused with 16 and 8, attention, fused with 4.

    The reference's width F is ``channels / 8``: 6 for Cityscapes, 16 for ADE20K.

    Args:
        in_channels: Channels of the maps of strides 4, 8, 16, 32.
        channels: Width of the decoder, 8F; its coarsest part has 16F.
        in_index: Indices of these maps in the output of the backbone.
        **kwargs: See mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: If there are not four maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        in_index: Sequence[int] = (0, 1, 2, 3),
        **kwargs: Any,
    ) -> None:
        if not len(in_channels) == len(in_index) == 4:
            raise ValueError(f'in_channels={in_channels}, in_index={in_index}: expected four maps')
        kwargs.setdefault('dropout_ratio', 0)
        super().__init__(
            list(in_channels),
            channels,
            in_index=list(in_index),
            input_transform='multiple_select',
            **kwargs,
        )
        s4, s8, s16, s32 = in_channels
        wide = 2 * channels
        layer = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.reduce32 = ConvModule(s32, wide, 1, **layer)
        self.fuse16 = ConvModule(wide + s16, wide, 3, padding=1, **layer)
        self.reduce16 = ConvModule(wide, channels, 1, **layer)
        self.fuse8 = ConvModule(channels + s8, channels, 3, padding=1, **layer)
        self.mix8 = ConvModule(channels, channels, 1, **layer)
        self.attention = AttentionBlock(channels, channels, **layer)
        self.low = ConvModule(s4, LOW_CHANNELS, 1, **layer)
        self.fuse4 = ConvModule(channels + LOW_CHANNELS, channels, 3, padding=1, **layer)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map the features to logits ``(N, classes, H / 4, W / 4)``."""
        s4, s8, s16, s32 = self._transform_inputs(inputs)
        x = self.fuse16(torch.cat([_up(self.reduce32(s32), s16), s16], dim=1))
        x = self.fuse8(torch.cat([_up(self.reduce16(x), s8), s8], dim=1))
        x = self.attention(self.mix8(x))
        x = self.fuse4(torch.cat([_up(x, s4), self.low(s4)], dim=1))
        return self.cls_seg(x)


class CDARTSAuxHead(BaseDecodeHead):  # type: ignore[misc, valid-type]
    """An auxiliary head for training: an :class:`AttentionBlock` and a 1x1 convolution.

    Args:
        in_channels: Channels of its map; the block has as many up to 256, then half.
        **kwargs: See mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, in_channels: int, **kwargs: Any) -> None:
        kwargs.setdefault('dropout_ratio', 0)
        kwargs.setdefault('channels', in_channels if in_channels <= 256 else in_channels // 2)
        super().__init__(in_channels, **kwargs)
        layer = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.attention = AttentionBlock(in_channels, self.channels, **layer)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map the features to logits of the resolution of its map."""
        return self.cls_seg(self.attention(self._transform_inputs(inputs)))


class OHEMLoss(nn.Module):
    """Cross-entropy, averaged over the pixels that are hard.

    A pixel is hard if its class has a probability below ``thresh``, or if it is among the ``kept``
    pixels with the highest loss.  (mmseg's ``OhemCrossEntropy`` does not fit its own decode heads,
    and its ``OHEMPixelSampler`` averages over the easy pixels, too.)

    Args:
        thresh: Pixels with a lower probability are hard.
        kept: Least share of the pixels of a batch that counts.
        loss_weight: Weight of the loss.
        loss_name: Name of the loss.
    """

    def __init__(
        self,
        thresh: float = 0.7,
        kept: float = 1 / 16,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ohem',
    ) -> None:
        super().__init__()
        self.bound = -math.log(thresh)
        self.kept = kept
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the loss of logits ``(N, C, H, W)`` and labels ``(N, H, W)``.

        It ignores ``weight``, which a pixel sampler passes.  Without a hard pixel the loss is 0.
        """
        losses = cross_entropy(logits, label, ignore_index=ignore_index, reduction='none')
        losses = losses[label != ignore_index].sort(descending=True).values
        hard = int((losses > self.bound).sum())
        losses = losses[: max(hard, int(self.kept * label.numel()), 1)]
        mean = losses.mean() if len(losses) else logits.sum() * 0
        return self.loss_weight * mean
