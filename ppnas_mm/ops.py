"""Candidate operations: one table, name -> factory.

Every factory builds an ``nn.Module`` that maps ``(N, C, H, W)`` to ``(N, C, H, W)``.  To add an
operation: write a factory here, and name it in the ``ops`` of its space in
:data:`ppnas_mm.genotype.SPACE_RULES`; outside this package call :func:`register_op`, which does
both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from .compat import require
from .genotype import SPACE_RULES

require('mmcv')
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule  # noqa: E402


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
    ) -> ConvModule:
        """Convolution ("same" padding), norm and (with ``act``) activation."""
        return ConvModule(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg if act else None,
        )


OpFactory = Callable[[int, int, ConvStyle], nn.Module]


def _separable(kernel: int) -> OpFactory:
    def build(channels: int, dilation: int, style: ConvStyle) -> nn.Module:
        return DepthwiseSeparableConvModule(
            channels,
            channels,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            conv_cfg=style.conv_cfg,
            norm_cfg=style.norm_cfg,
            act_cfg=style.act_cfg,
        )

    return build


def _conv(kernel: int, rate: int = 1) -> OpFactory:
    def build(channels: int, dilation: int, style: ConvStyle) -> nn.Module:
        return style.conv(channels, channels, kernel, dilation=dilation * rate)

    return build


OPS: dict[str, OpFactory] = {
    'identity': lambda channels, dilation, style: nn.Identity(),
    'conv_1x1': _conv(1),
    'conv_3x3': _conv(3),
    'conv_5x5': _conv(5),
    'dw_conv_3x3': _separable(3),
    'dw_conv_5x5': _separable(5),
    'dilated_conv_3x3': _conv(3, rate=2),
}


def build_op(name: str, channels: int, dilation: int, style: ConvStyle) -> nn.Module:
    """Build the operation ``name`` for ``channels`` channels; raises ``KeyError`` if unknown."""
    if name not in OPS:
        raise KeyError(f'unknown operation {name!r}; known: {sorted(OPS)}')
    return OPS[name](channels, dilation, style)


def register_op(name: str, factory: OpFactory, space: str) -> None:
    """Add an operation of your own to a search space.

    Args:
        name: Its name in genotypes and configs.
        factory: Maps (channels, dilation, style) to a module that keeps the shape.
        space: A key of :data:`ppnas_mm.genotype.SPACE_RULES`.

    Raises:
        KeyError: If the name is taken or the space is unknown.
        ValueError: If the name is not a Python identifier (it becomes a module's name).
    """
    if not name.isidentifier():
        raise ValueError(f'operation {name!r}: expected letters, digits and underscores')
    if name in OPS:
        raise KeyError(f'operation {name!r} exists already')
    if space not in SPACE_RULES:
        raise KeyError(f'unknown space {space!r}; known: {sorted(SPACE_RULES)}')
    OPS[name] = factory
    SPACE_RULES[space].ops.add(name)
