"""Candidate operations: one table from names to factories.

Every factory maps an :class:`OpSpec` to an ``nn.Module`` that maps ``(N, C_in, H, W)`` to
``(N, C_out, ceil(H / stride), ceil(W / stride))``.  To add an operation: write a factory here, and
name it in the ``ops`` of its space in :data:`ppnas_mm.genotype.SPACE_RULES`; outside this package
call :func:`register_op`, which does both.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..genotype import SPACE_RULES
from ..utils.compat import require
from .deploy import can_fold, fold
from .memory_layout import adopt, every_second, is_recorded
from .style import PRE_ACTIVATION, ConvStyle, OpSpec

require('mmcv')
from mmcv.cnn import (  # noqa: E402
    DepthwiseSeparableConvModule,
    build_conv_layer,
    build_norm_layer,
)

OpFactory = Callable[[OpSpec], nn.Module]


def _separable(kernel: int) -> OpFactory:
    def build(spec: OpSpec) -> nn.Module:
        module = DepthwiseSeparableConvModule(
            spec.in_channels,
            spec.out_channels,
            kernel,
            stride=spec.stride,
            padding=spec.dilation * (kernel // 2),
            dilation=spec.dilation,
            conv_cfg=spec.style.conv_cfg,
            norm_cfg=spec.style.norm_cfg,
            act_cfg=spec.style.act_cfg,
        )
        for part in (module.depthwise_conv, module.pointwise_conv):
            adopt(part.conv)
        return module

    return build


def _conv(
    kernel: int, rate: int = 1, order: tuple[str, ...] = ('conv', 'norm', 'act'), act: bool = True
) -> OpFactory:
    def build(spec: OpSpec) -> nn.Module:
        return spec.style.conv(
            spec.in_channels,
            spec.out_channels,
            kernel,
            stride=spec.stride,
            dilation=spec.dilation * rate,
            order=order,
            act=act,
        )

    return build


class Separable(nn.Module):
    """Activation, depthwise and pointwise convolution, norm: the unit of sep_conv and dil_conv.

    Args:
        spec: Channels, stride, dilation, configs.
        kernel: Size of the depthwise kernel.
        rate: Further dilation of the depthwise convolution.
    """

    def __init__(self, spec: OpSpec, kernel: int, rate: int = 1) -> None:
        super().__init__()
        dilation = spec.dilation * rate
        self.act = spec.style.act()
        self.depthwise = spec.style.plain_conv(
            spec.in_channels,
            spec.in_channels,
            kernel,
            stride=spec.stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=spec.in_channels,
        )
        self.pointwise = spec.style.plain_conv(spec.in_channels, spec.out_channels, 1)
        self.norm = spec.style.norm(spec.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, H / stride, W / stride)``."""
        return self.norm(self.pointwise(self.depthwise(self.act(x))))

    def deployed(self) -> Separable:
        """Fold the norm."""
        if can_fold(self.pointwise, self.norm):
            fold(self.pointwise, self.norm)
            self.norm = nn.Identity()
        return self


def _sep_conv(kernel: int) -> OpFactory:
    def build(spec: OpSpec) -> nn.Module:
        inner = OpSpec(spec.in_channels, spec.in_channels, spec.style, spec.stride, spec.dilation)
        outer = OpSpec(spec.in_channels, spec.out_channels, spec.style, 1, spec.dilation)
        return nn.Sequential(Separable(inner, kernel), Separable(outer, kernel))

    return build


def _dil_conv(kernel: int) -> OpFactory:
    return lambda spec: nn.Sequential(Separable(spec, kernel, rate=2))


class FactorizedReduce(nn.Module):
    """Halve the resolution by two 1x1 convolutions on even and odd pixels (DARTS).

    Odd sizes are padded by zeros below or at the right.

    Raises:
        ValueError: If the number of output channels is odd.
    """

    def __init__(self, in_channels: int, out_channels: int, style: ConvStyle) -> None:
        super().__init__()
        if out_channels % 2:
            raise ValueError(f'out_channels={out_channels}: expected an even number')
        self.act = style.act()
        self.even = style.plain_conv(in_channels, out_channels // 2, 1)
        self.odd = style.plain_conv(in_channels, out_channels // 2, 1)
        self.norm = style.norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, ceil(H / 2), ceil(W / 2))``."""
        x = padded = self.act(x)
        if is_recorded(x) or x.shape[-2] % 2 or x.shape[-1] % 2:
            padded = nn.functional.pad(x, (0, 1, 0, 1))  # read only where a side is odd
        halves = self.even(every_second(x, 0)), self.odd(every_second(padded, 1))
        return self.norm(torch.cat(halves, dim=1))

    def deployed(self) -> FactorizedReduce:
        """Fold the norm, half by half."""
        if can_fold(self.even, self.norm) and can_fold(self.odd, self.norm):
            half = self.even.out_channels
            fold(self.even, self.norm, slice(half))
            fold(self.odd, self.norm, slice(half, None))
            self.norm = nn.Identity()
        return self


class Zero(nn.Module):
    """The operation ``none``: zeros of the output's shape, independent of the input's values."""

    def __init__(self, spec: OpSpec) -> None:
        super().__init__()
        self.channels, self.stride = spec.out_channels, spec.stride

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to zeros ``(N, C_out, H / stride, W / stride)``."""
        height, width = (-(-x.shape[axis] // self.stride) for axis in (-2, -1))
        return x.new_zeros(x.shape[0], self.channels, height, width)


def _identity(spec: OpSpec) -> nn.Module:
    if not spec.keeps_shape:
        raise ValueError(f'identity keeps the shape and cannot be built for {spec}')
    return nn.Identity()


def _identity_or(build: OpFactory) -> OpFactory:
    return lambda spec: nn.Identity() if spec.keeps_shape else build(spec)


def _pool(kind: str) -> OpFactory:
    def build(spec: OpSpec) -> nn.Module:
        pool = (
            nn.MaxPool2d(3, spec.stride, 1)
            if kind == 'max'
            else nn.AvgPool2d(3, spec.stride, 1, count_include_pad=False)
        )
        if not spec.pool_norm:
            return pool
        norm = {**spec.style.norm_cfg, 'affine': False}
        return nn.Sequential(pool, build_norm_layer(norm, spec.out_channels)[1])

    return build


def round_channels(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, at least one, and lose at most a tenth."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class SqueezeExcite(nn.Module):
    """Channel attention: mean, 1x1, ReLU, 1x1, hard sigmoid; both convolutions have a bias.

    Args:
        channels: Channels of input and output.
        style: Only its ``conv_cfg`` is used.
        ratio: Share of the inner channels, which are rounded to a multiple of 8.
    """

    def __init__(self, channels: int, style: ConvStyle, ratio: float = 0.25) -> None:
        super().__init__()
        inner = round_channels(channels * ratio)
        self.reduce = adopt(build_conv_layer(style.conv_cfg, channels, inner, 1))
        self.expand = adopt(build_conv_layer(style.conv_cfg, inner, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        scale = self.expand(self.reduce(x.mean((2, 3), keepdim=True)).relu())
        return x * nn.functional.hardsigmoid(scale)


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, channel attention, linear 1x1.

    With attention: CDARTS' chain space (that of Cream, NeurIPS 2020); without: the mobile space
    (SE-NAS, Table 2).  The input is added if the shape does not change.

    Args:
        spec: Channels, stride, dilation, configs.
        kernel: Side of the depthwise kernel.
        expansion: Ratio of inner to input channels; 1: no first convolution.
        attention: Whether channel attention follows the depthwise convolution.
        groups: Groups of both 1x1 convolutions.
    """

    def __init__(
        self,
        spec: OpSpec,
        kernel: int,
        expansion: int,
        attention: bool = True,
        groups: int = 1,
    ) -> None:
        super().__init__()
        style = spec.style
        inner = round_channels(spec.in_channels * expansion) if expansion > 1 else spec.in_channels
        self.expand = (
            style.conv(spec.in_channels, inner, 1, groups=groups)
            if expansion > 1
            else nn.Identity()
        )
        self.depthwise = style.conv(
            inner, inner, kernel, stride=spec.stride, dilation=spec.dilation, groups=inner
        )
        self.attention = SqueezeExcite(inner, style) if attention else nn.Identity()
        self.project = style.conv(inner, spec.out_channels, 1, groups=groups, act=False)
        self.residual = spec.keeps_shape
        self.drop_path: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, H / stride, W / stride)``."""
        y = self.project(self.attention(self.depthwise(self.expand(x))))
        return x + self.drop_path(y) if self.residual else y


def _mbconv(kernel: int, expansion: int, attention: bool = False, groups: int = 1) -> OpFactory:
    return lambda spec: MBConv(spec, kernel, expansion, attention, groups)


OPS: dict[str, OpFactory] = {
    'identity': _identity,
    'shortcut': _identity_or(_conv(1, act=False)),
    'conv_1x1': _conv(1),
    'conv_3x3': _conv(3),
    'conv_5x5': _conv(5),
    'dw_conv_3x3': _separable(3),
    'dw_conv_5x5': _separable(5),
    'dilated_conv_3x3': _conv(3, rate=2),
    'none': Zero,
    'skip_connect': _identity_or(
        lambda s: FactorizedReduce(s.in_channels, s.out_channels, s.style)
    ),
    'max_pool_3x3': _pool('max'),
    'avg_pool_3x3': _pool('avg'),
    'sep_conv_3x3': _sep_conv(3),
    'sep_conv_5x5': _sep_conv(5),
    'dil_conv_3x3': _dil_conv(3),
    'dil_conv_5x5': _dil_conv(5),
    'nor_conv_1x1': _conv(1, order=PRE_ACTIVATION),
    'nor_conv_3x3': _conv(3, order=PRE_ACTIVATION),
    **{f'mbconv_{k}x{k}_e{e}_se': _mbconv(k, e, True) for k in (3, 5, 7) for e in (4, 6)},
    **{f'mbconv_{k}x{k}_e{e}': _mbconv(k, e) for k in (3, 5, 7) for e in (3, 6)},
    **{f'mbconv_{k}x{k}_e6_g2': _mbconv(k, 6, groups=2) for k in (3, 5, 7)},
}


def build_op(name: str, spec: OpSpec) -> nn.Module:
    """Build the operation ``name``; raises ``KeyError`` if unknown."""
    if name not in OPS:
        raise KeyError(f'unknown operation {name!r}; known: {sorted(OPS)}')
    return OPS[name](spec)


def register_op(name: str, factory: OpFactory, space: str) -> None:
    """Add an operation of your own to a search space.

    Args:
        name: Its name in genotypes and configs.
        factory: Maps an :class:`OpSpec` to a module; spaces use different parts of it (PP-NAS:
            the shape does not change).
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
