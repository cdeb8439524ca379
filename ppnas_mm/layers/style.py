"""The arguments of operations: configs of their layers, channels, stride and dilation."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from ..utils.compat import require
from .memory_layout import adopt

require('mmcv')
from mmcv.cnn import (  # noqa: E402
    ConvModule,
    build_activation_layer,
    build_conv_layer,
    build_norm_layer,
)

PRE_ACTIVATION = ('act', 'conv', 'norm')


@dataclass(frozen=True)
class ConvStyle:
    """Convolution, norm and activation configs, as ``mmcv.cnn.ConvModule`` takes them."""

    conv_cfg: dict | None = None
    norm_cfg: dict = field(default_factory=lambda: dict(type='BN'))
    act_cfg: dict = field(default_factory=lambda: dict(type='ReLU'))

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: bool = True,
        order: tuple[str, ...] = ('conv', 'norm', 'act'),
    ) -> ConvModule:
        """Convolution ("same" padding), norm and (with ``act``) activation, in this ``order``."""
        # others read the input of a pre-activation, too
        act_cfg = self.pre_act_cfg if order[0] == 'act' else self.act_cfg
        module = ConvModule(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=act_cfg if act else None,
            inplace=order[0] != 'act',
            order=order,
        )
        adopt(module.conv)
        return module

    @property
    def pre_act_cfg(self) -> dict:
        """The config of the activation, never in place, even if ``act_cfg`` asks for it."""
        return {k: False if k == 'inplace' else v for k, v in self.act_cfg.items()}

    def act(self) -> nn.Module:
        """The activation, not in place."""
        return build_activation_layer(self.pre_act_cfg)

    def norm(self, channels: int) -> nn.Module:
        """The norm."""
        return build_norm_layer(self.norm_cfg, channels)[1]

    def plain_conv(self, *args: int, **kwargs: int) -> nn.Module:
        """A convolution without bias, norm and activation."""
        return adopt(build_conv_layer(self.conv_cfg, *args, bias=False, **kwargs))


@dataclass(frozen=True)
class OpSpec:
    """Arguments of an operation: channels, stride, dilation, configs of its layers.

    ``pool_norm``: whether a norm without parameters follows the DARTS pools.
    """

    in_channels: int
    out_channels: int
    style: ConvStyle
    stride: int = 1
    dilation: int = 1
    pool_norm: bool = False

    @property
    def keeps_shape(self) -> bool:
        """Whether the output has the input's shape."""
        return self.stride == 1 and self.in_channels == self.out_channels
