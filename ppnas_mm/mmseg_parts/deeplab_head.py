"""DeepLabv3+ as the authors of PP-NAS build it (PP-NAS, Section IV-E, and their code)."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule

from ..compat import guard_torchvision, require

guard_torchvision()
DepthwiseSeparableASPPHead = require('mmseg.models.decode_heads').DepthwiseSeparableASPPHead


class DeepLabV3PlusHead(DepthwiseSeparableASPPHead):  # type: ignore[misc, valid-type]
    """mmseg's DeepLabv3+ head with the two differences of the authors' code.

    The branches of the pyramid are fused by a 1x1 convolution (mmseg: 3x3), and a depthwise
    convolution has a bias, but neither norm nor activation (mmseg: both).

    Args:
        **kwargs: See mmseg's ``DepthwiseSeparableASPPHead``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bottleneck = ConvModule(
            (len(self.dilations) + 1) * self.channels,
            self.channels,
            1,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )
        for module in self.modules():
            if isinstance(module, DepthwiseSeparableConvModule):
                old = module.depthwise_conv.conv
                module.depthwise_conv = ConvModule(
                    old.in_channels,
                    old.out_channels,
                    old.kernel_size,
                    padding=old.padding,
                    dilation=old.dilation,
                    groups=old.groups,
                    norm_cfg=None,
                    act_cfg=None,
                )
