"""The memory layout of maps and weights: channels last, or in the order of the dimensions.

Autograd's own gradient of a slice is contiguous in the order of its dimensions, and that of a
concatenation is a view with gaps.  Both are correct, but batch norms and activations before
them then run up to eight times slower.  The slices and concatenations here compute the same.

A ``conv_cfg`` may name convolutions of other classes, such as deformable ones.  Only torch's plain
``nn.Conv2d`` is folded, laid out channels-last and initialised inside.  Other classes stay as they
were built: mmcv's deformable convolutions, for example, read their tensors as contiguous whatever
their strides, and start with offsets of zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn import functional


def is_symbolic(*values: Any) -> bool:
    """Whether ``torch.fx`` is tracing: then no decision can depend on values."""
    return any(isinstance(value, Proxy) for value in values)


def is_recorded(x: Tensor) -> bool:
    """Whether the computation is recorded for maps of other sizes."""
    return is_symbolic(x) or torch.jit.is_tracing() or torch.compiler.is_compiling()


def split_channels(x: Tensor, groups: int) -> list[Tensor]:
    """Split ``(N, C, H, W)`` into equal groups of channels."""
    parts = x.chunk(groups, dim=1)
    return [parts[i] for i in range(groups)]  # torch.fx cannot iterate over parts


def every_second(x: Tensor, start: int) -> Tensor:
    """Return the view of every second pixel of ``(N, C, H, W)``, in both directions.

    Args:
        x: The map.
        start: The first row and column.
    """
    if torch.compiler.is_compiling():  # a map of its own: layouts of views would limit the sizes
        return functional.avg_pool2d(x[:, :, start:, start:], 1, stride=2)
    if not is_symbolic(x) and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1)[:, start::2, start::2].permute(0, 3, 1, 2)
    return x[:, :, start::2, start::2]


def cat_channels(maps: Sequence[Tensor]) -> Tensor:
    """Concatenate maps ``(N, C_i, H, W)`` along their channels."""
    learns = torch.is_grad_enabled() and not is_symbolic(*maps)
    if learns and any(x.requires_grad for x in maps):
        return _CatChannels.apply(*maps)
    return torch.cat(list(maps), dim=1)


class _CatChannels(torch.autograd.Function):
    """Concatenation with dense gradients."""

    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> Tensor:
        ctx.channels = [x.shape[1] for x in maps]
        return torch.cat(maps, dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, ...]:
        (grad,) = grads
        last = grad.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return tuple(g.contiguous(memory_format=layout) for g in grad.split(ctx.channels, dim=1))


def adopt(conv: nn.Module) -> nn.Module:
    """Return a convolution layer; if it is not torch's, mark it and pass it contiguous maps."""
    if type(conv) is not nn.Conv2d and not getattr(conv, 'is_custom_conv', False):
        marked: Any = conv
        marked.is_custom_conv = True
        conv.register_forward_pre_hook(_contiguous)
    return conv


def _contiguous(conv: nn.Module, args: Any) -> Any:
    return tuple(in_order(x) if isinstance(x, Tensor) else x for x in args)


def in_order(x: Tensor) -> Tensor:
    """Return a tensor with the strides of its dimensions' order.

    A side of 1 may have any stride, and torch takes a 1x1 kernel for channels-last that once was;
    ``contiguous()`` leaves that as it is.
    """
    if torch.compiler.is_compiling():
        return x.contiguous()
    if x.stride() == torch.empty(x.shape, device='meta').stride():
        return x
    return x.clone(memory_format=torch.contiguous_format)


def is_custom(module: Any) -> bool:
    """Whether a module is a convolution layer that is not torch's."""
    if getattr(module, 'is_custom_conv', False):
        return True
    weight = getattr(module, 'weight', None)
    foreign = not type(module).__module__.startswith('torch.')
    return foreign and isinstance(weight, Tensor) and weight.dim() == 4


def custom_convs(model: nn.Module) -> list[nn.Module]:
    """Return the convolution layers of a model that are not torch's."""
    return [module for module in model.modules() if is_custom(module)]


def tensors_inside(model: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors of layers inside custom convolutions, such as offsets."""
    for conv in custom_convs(model):
        for child in conv.children():
            yield from (*child.parameters(), *child.buffers())


def keep_contiguous(model: nn.Module) -> None:
    """Undo a change of layout in the custom convolutions of a model."""
    for conv in custom_convs(model):
        for tensor in (*conv.parameters(), *conv.buffers()):
            tensor.data = in_order(tensor.data)


def to_channels_last(model: nn.Module) -> nn.Module:
    """Make the weights of a model channels-last, in place, except custom convolutions."""
    for conv in custom_convs(model):
        adopt(conv)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_contiguous(model)
    return model
