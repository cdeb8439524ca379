"""DeepLabv3+ as the authors of PP-NAS (Section IV-E, and their code) and of EoiNAS build it."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule

from ..utils.compat import require

DepthwiseSeparableASPPHead = require('mmseg.models.decode_heads').DepthwiseSeparableASPPHead


class DeepLabV3PlusHead(DepthwiseSeparableASPPHead):  # type: ignore[misc, valid-type]
    """mmseg's DeepLabv3+ head with the two differences of the authors' code.

    The branches of the pyramid are fused by a 1x1 convolution (mmseg: 3x3), and a depthwise
    convolution has a bias, but neither norm nor activation (mmseg: both).

    Args:
        separable: Whether the 3x3 convolutions are depthwise separable; ``False``: full ones (the
            authors' code of EoiNAS).
        **kwargs: See mmseg's ``DepthwiseSeparableASPPHead``.
    """

    def __init__(self, separable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        style = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        branches = len(self.dilations) + 1
        self.bottleneck = ConvModule(branches * self.channels, self.channels, 1, **style)
        for parent in (self.aspp_modules, self.sep_bottleneck):
            for i, module in enumerate(parent):
                if not isinstance(module, DepthwiseSeparableConvModule):
                    continue
                old = module.depthwise_conv.conv
                shape = dict(
                    kernel_size=old.kernel_size, padding=old.padding, dilation=old.dilation
                )
                if separable:
                    module.depthwise_conv = ConvModule(
                        old.in_channels,
                        old.out_channels,
                        groups=old.groups,
                        norm_cfg=None,
                        act_cfg=None,
                        **shape,
                    )
                else:
                    parent[i] = ConvModule(old.in_channels, self.channels, **shape, **style)
