"""The gradient by columns against torch's own, and where it is left alone."""

import pytest
import torch
from torch.nn.functional import conv2d

from ppnas_mm.layers.depthwise import depthwise_conv
from ppnas_mm.layers.memory_layout import cat_channels, every_second

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('side', [(4, 4), (9, 12), (13, 2)])
@pytest.mark.parametrize('kernel', [3, 5, 7])
def test_the_gradients_are_those_of_the_convolution(
    kernel: int, side: tuple[int, int], stride: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, *side, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64)
    found, wanted = [], []
    for results, conv in (
        (found, lambda x, w: depthwise_conv(x, w, stride, kernel // 2)),
        (wanted, lambda x, w: conv2d(x, w, None, stride, kernel // 2, groups=4)),
    ):
        leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
        y = conv(*leaves)
        factor = torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos()
        results += [y, *torch.autograd.grad((y * factor).sum(), leaves)]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_where_the_plain_convolution_is_taken() -> None:
    x, weight = torch.randn(2, 4, 8, 8), torch.randn(4, 1, 5, 5).requires_grad_()
    name = '_ByColumnsBackward'
    assert depthwise_conv(x, weight, 1, 2).grad_fn.name() == name
    assert depthwise_conv(x, weight, 1, 4, 2).grad_fn.name() != name  # dilated
    assert depthwise_conv(x, torch.randn(4, 1, 3, 3).requires_grad_()).grad_fn.name() != name
    with torch.autocast('cpu', torch.bfloat16):
        y = depthwise_conv(x, weight, 1, 2)
        assert y.dtype == torch.bfloat16 and y.grad_fn.name() != name
    with torch.no_grad():
        assert depthwise_conv(x, weight, 1, 2).grad_fn is None


@pytest.mark.parametrize('layout', LAYOUTS)
def test_cuts_and_concatenations_keep_the_layout(layout: torch.memory_format) -> None:
    x = torch.randn(2, 4, 6, 6).contiguous(memory_format=layout).requires_grad_()
    for start in (0, 1):
        part = every_second(x, start)
        assert torch.equal(part, x[:, :, start::2, start::2])
        (slope,) = torch.autograd.grad(part.sum(), x)
        wanted = torch.zeros(6, 6)
        wanted[start::2, start::2] = 1
        assert torch.equal(slope, wanted.expand(2, 4, 6, 6))
        assert slope.is_contiguous(memory_format=layout)
    y = torch.randn(2, 3, 6, 6).contiguous(memory_format=layout).requires_grad_()
    joined = cat_channels([x, y])
    assert torch.equal(joined, torch.cat([x, y], 1))
    weight = torch.randn(2, 7, 6, 6).contiguous(memory_format=layout)
    slopes = torch.autograd.grad((joined * weight).sum(), (x, y))
    assert torch.equal(slopes[0], weight[:, :4]) and torch.equal(slopes[1], weight[:, 4:])
    assert all(s.is_contiguous(memory_format=layout) for s in slopes)
    mixed = cat_channels([x, y.detach()]).sum()
    assert torch.equal(torch.autograd.grad(mixed, x)[0], torch.ones_like(x))
