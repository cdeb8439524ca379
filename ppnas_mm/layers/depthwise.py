"""Depthwise convolution with a fast gradient on CPUs.

oneDNN has a depthwise kernel for the gradient of the weights up to 3 columns (release 3.x, AVX2);
from 5 columns on it uses that of grouped convolutions, four to forty times slower.  The columns of
a wider kernel are independent, so three at a time are computed as a kernel of 3 columns on a
shifted map.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

COLUMNS = 3
"""Columns of a kernel whose gradient is computed at once."""


def depthwise_conv(
    x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """Convolve each channel of ``(N, C, H, W)`` with its kernel of ``(C, 1, K, K)``.

    On a CPU in full precision the gradient of a wide kernel is computed by columns.
    """
    wide = weight.shape[-1] > COLUMNS and padding < x.shape[-1] and dilation == 1
    on_cpu = x.device.type == 'cpu' and not torch.is_autocast_enabled('cpu')
    if wide and on_cpu and weight.requires_grad and torch.is_grad_enabled():
        return _ByColumns.apply(x, weight, stride, padding)
    return functional.conv2d(x, weight, None, stride, padding, dilation, groups=x.shape[1])


class _ByColumns(torch.autograd.Function):
    """A depthwise convolution whose weight gradient is computed by columns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (x, weight), (grad,) = ctx.saved_tensors, grads
        stride, padding = ctx.steps
        of_x, _ = _backward(grad, x, weight, stride, padding, (True, False))
        of_weight = by_columns(grad, x, weight, stride, padding)
        return of_x, of_weight, None, None


def by_columns(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Return the gradient of the weights of a depthwise convolution.

    Args:
        grad: Gradient of the output.
        x: The input.
        weight: The kernels ``(C, 1, K, K)``.
        stride: Stride in both directions.
        padding: Padding on all four sides.
    """
    parts = []
    for start, part in zip(count(0, COLUMNS), weight.split(COLUMNS, dim=-1), strict=False):
        left = padding - start
        right = (grad.shape[-1] - 1) * stride + part.shape[-1] - x.shape[-1] - left
        shifted = functional.pad(x, (left, right, padding, padding))
        parts.append(_backward(grad, shifted, part, stride, 0, (False, True))[1])
    return torch.cat(parts, dim=-1)


def _backward(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    found = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        x.shape[1],
        [*wanted, False],
    )
    return found[0], found[1]
