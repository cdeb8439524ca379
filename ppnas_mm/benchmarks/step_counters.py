"""What one training step takes: floating-point operations and the tensors kept for its backward."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

aten: Any = torch.ops.aten


def _convolution_backward(
    gradient: Any,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: tuple[bool, bool, bool],
    out_shape: Any = None,
) -> int:
    """Each gradient of a convolution takes what its forward pass takes.

    torch's own count for the weight leaves the groups out: for a depthwise convolution it is too
    large by the number of channels.
    """
    return sum(wanted[:2]) * conv_flop_count(x, weight, gradient, transposed)


def count_flops() -> FlopCounterMode:
    """Return torch's counter of convolutions and matrix products, forward and backward.

    A multiply-add is two operations; norms, activations, pools and sums are left out.
    """
    backward = {aten.convolution_backward: _convolution_backward}
    return FlopCounterMode(display=False, custom_mapping=backward)


class SavedTensors:
    """Bytes of the tensors that autograd keeps for the backward pass, each storage once.

    Attributes:
        peak: The most bytes kept at one moment.
    """

    def __init__(self, model: nn.Module) -> None:
        tensors = (*model.parameters(), *model.buffers())
        self.own = {t.untyped_storage().data_ptr() for t in tensors}
        self.users: dict[int, int] = {}
        self.live = self.peak = 0

    def pack(self, tensor: Tensor) -> _Kept:
        """Count a tensor as it is saved."""
        return _Kept(self, tensor)

    def change(self, tensor: Tensor, by: int) -> None:
        """Count one user more or less of a tensor's storage."""
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in self.own:
            return
        before = self.users.get(place, 0)
        self.users[place] = before + by
        if before == 0 or before + by == 0:
            self.live += int(math.copysign(storage.nbytes(), by))
        self.peak = max(self.peak, self.live)


class _Kept:
    """A saved tensor, counted as long as it is kept."""

    def __init__(self, counter: SavedTensors, tensor: Tensor) -> None:
        self.counter, self.tensor = counter, tensor
        counter.change(tensor, 1)

    def __del__(self) -> None:
        self.counter.change(self.tensor, -1)


@contextmanager
def count_saved(model: nn.Module) -> Iterator[SavedTensors]:
    """Count what autograd keeps within the context, without the model's own tensors."""
    counter = SavedTensors(model)
    with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda kept: kept.tensor):
        yield counter
