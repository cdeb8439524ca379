"""The middle convolution of a bottleneck: PPConv, and the blocks it is compared with.

All take and return ``(N, width, H, W)``; a :class:`SplitConv` may have a stride.  Facts: PP-NAS,
Section III-A and Fig. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..genotype import Cell
from ..layers.deploy import input_conv
from ..layers.memory_layout import is_symbolic, split_channels
from ..layers.ops import ConvStyle, OpSpec, build_op


def mean(tensors: Sequence[Tensor]) -> Tensor:
    """Plain mean of equal-shaped tensors (safe in fp16: divides by a Python int)."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total / len(tensors) if len(tensors) > 1 else total


def same_pool() -> nn.AvgPool2d:
    """3x3 average pool of stride 2 without padding in the mean: TensorFlow's "same", as trained."""
    return nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)


class SplitConv(nn.Module):
    """Start block: the first group passes, each other group has its own 3x3, nothing is added.

    It is used where stride or channels change (authors' code; with one
    identity it has as many parameters as a PPConv with one identity).

    Args:
        spec: Channels (a multiple of ``groups``), stride, dilation and configs of its layers.  If
            the stride is 2, the first group is pooled.
        groups: Number of groups.
    """

    def __init__(self, spec: OpSpec, groups: int) -> None:
        super().__init__()
        self.groups = groups
        width = spec.in_channels // groups
        spec = replace(spec, in_channels=width, out_channels=width)
        self.direct = same_pool() if spec.stride == 2 else nn.Identity()
        self.convs = nn.ModuleList(build_op('conv_3x3', spec) for _ in range(groups - 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, width, H, W)`` to ``(N, width, H / stride, W / stride)``."""
        first, *rest = split_channels(x, self.groups)
        outputs = (conv(group) for conv, group in zip(self.convs, rest, strict=True))
        return torch.cat([self.direct(first), *outputs], dim=1)


class Res2Conv(SplitConv):
    """Res2Net's block of stride 1: each 3x3 also reads the output before it (Fig. 2, middle)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        first, second, *rest = split_channels(x, self.groups)
        outputs = [first, self.convs[0](second)]
        for conv, group in zip(self.convs[1:], rest, strict=True):
            outputs.append(conv(group + outputs[-1]))
        return torch.cat(outputs, dim=1)


class PPConv(nn.Module):
    """A searched block: output j applies its operation to the mean of the nodes that it keeps.

    Args:
        cell: The architecture: ``cell.inputs`` groups in, as many nodes out.
        width: Channels, a multiple of ``cell.inputs``.
        dilation: Dilation of its convolutions.
        style: Convolution, norm and activation configs.
    """

    def __init__(self, cell: Cell, width: int, dilation: int, style: ConvStyle) -> None:
        super().__init__()
        self.groups = cell.inputs
        self.sources = [edges[0].sources for edges in cell.nodes]
        spec = OpSpec(width // cell.inputs, width // cell.inputs, style, dilation=dilation)
        self.nodes = nn.ModuleList(build_op(edges[0].op, spec) for edges in cell.nodes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        states = split_channels(x, self.groups)
        for op, sources in zip(self.nodes, self.sources, strict=True):
            states.append(op(mean([states[i] for i in sources])))
        return torch.cat(states[self.groups :], dim=1)

    def deployed(self) -> SumPPConv:
        """Return what computes the same with sums instead of means."""
        return SumPPConv(self)


class SumPPConv(nn.Module):
    """A deployed :class:`PPConv`: nodes are sums, the convolutions after them hold the 1/count.

    An identity has no weights, so its node is scaled; the convolutions that read it correct this,
    and the caller corrects the output with :meth:`take_scales`.

    Args:
        block: The block; do not use it afterwards.
    """

    def __init__(self, block: PPConv) -> None:
        super().__init__()
        self.groups, self.nodes = block.groups, block.nodes
        self.terms: list[list[tuple[int, float]]] = []
        scales = [1.0] * block.groups
        for op, sources in zip(block.nodes, block.sources, strict=True):
            first = scales[sources[0]]
            self.terms.append([(i, scales[i] / first) for i in sources])
            factor, conv = first / len(sources), input_conv(op)
            if conv is not None:
                conv.weight.mul_(factor)
                factor = 1.0
            elif not isinstance(op, nn.Identity):
                self.terms[-1] = [(i, scales[i] / len(sources)) for i in sources]
                factor = 1.0
            scales.append(factor)
        self.scales = scales[block.groups :]

    def take_scales(self) -> list[float]:
        """Return per-group output scales, which the caller applies from now on."""
        scales, self.scales = self.scales, [1.0] * len(self.scales)
        return scales

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        states = split_channels(x, self.groups)
        for op, ((i, factor), *rest) in zip(self.nodes, self.terms, strict=True):
            total = states[i] if factor == 1 else states[i] * factor
            for j, more in rest:
                if is_symbolic(x):  # torch's quantised sum ignores alpha
                    total = total + states[j] * more
                else:
                    total = torch.add(total, states[j], alpha=more)
            states.append(op(total))
        outputs = zip(states[self.groups :], self.scales, strict=True)
        return torch.cat([y if scale == 1 else y * scale for y, scale in outputs], dim=1)
