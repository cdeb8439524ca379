"""Convolutions of other classes that a ``conv_cfg`` names, e.g. deformable ones.

Only torch's plain ``nn.Conv2d`` is folded, laid out channels-last and initialised inside.  Other
classes stay as they were built: mmcv's deformable convolutions, for example, read their tensors as
contiguous whatever their strides, and start with offsets of zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


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
