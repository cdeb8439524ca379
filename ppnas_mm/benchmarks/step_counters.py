"""Counters for one training step: FLOPs, memory traffic, operations, memory for backward."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

aten: Any = torch.ops.aten


class Counts(NamedTuple):
    """Costs of one step in one process, or the mean of several steps.

    Attributes:
        flops: Floating-point operations of convolutions and matrix products, two per multiply-add.
        moved: Bytes that operations read and write.
        operations: Number of computing aten operations.
        saved: Peak bytes kept for the backward pass, without weights and optimizer state.
        sent: Bytes of gradients averaged over the processes.
    """

    flops: float
    moved: float
    operations: float
    saved: float
    sent: float

    def extrapolated(self, more: Counts, few: int, many: int, images: int) -> Counts:
        """Return the counts for another batch size: one part grows with it, the rest is constant.

        Args:
            more: Counts of the same step with more images.
            few: Number of images in this step.
            many: Number of images in ``more``.
            images: Number of images to extrapolate to.
        """
        share = (images - few) / (many - few)
        return Counts(*(a + share * (b - a) for a, b in zip(self, more, strict=True)))


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
    """Each gradient of a convolution costs as much as its forward pass.

    torch's count for the weight gradient ignores groups, so for a depthwise convolution it is too
    large by the number of channels.
    """
    return sum(wanted[:2]) * conv_flop_count(x, weight, gradient, transposed)


def count_flops() -> FlopCounterMode:
    """Return torch's counter of convolutions and matrix products, forward and backward.

    A multiply-add is two operations; norms, activations, pools and sums are left out.
    """
    backward = {aten.convolution_backward: _convolution_backward}
    return FlopCounterMode(display=False, custom_mapping=backward)


class Traffic(TorchDispatchMode):
    """Counts aten operations and the bytes they move, in forward, backward and optimizer.

    An operation moves its tensor arguments and results, each once; for an expanded tensor only its
    storage counts.  Views are not counted; allocating empty tensors moves no bytes.

    Attributes:
        moved: Bytes read and written so far.
        operations: Operations so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.moved = self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        output = func(*args, **(kwargs or {}))
        if func.namespace == 'aten' and not func.is_view:
            self.operations += 1
            if 'empty' not in func._schema.name:
                tensors = (t for t in tree_leaves((args, kwargs, output)) if isinstance(t, Tensor))
                self.moved += sum(map(_held, tensors))
        return output


def _held(tensor: Tensor) -> int:
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


class SavedTensors:
    """Counts bytes of tensors that autograd keeps for the backward pass, each storage once.

    Attributes:
        live: Bytes kept now.
        peak: Maximum of ``live``.
    """

    def __init__(self, model: nn.Module) -> None:
        tensors = (*model.parameters(), *model.buffers())
        self.own = {t.untyped_storage().data_ptr() for t in tensors}
        self.users: dict[int, int] = {}
        self.live = self.peak = 0

    def pack(self, tensor: Tensor) -> _Kept:
        """Count a tensor when it is saved."""
        return _Kept(self, tensor)

    def change(self, tensor: Tensor, by: int) -> None:
        """Add or remove one user of a tensor's storage."""
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
        # detached, because a kept output would reference itself
        self.counter, self.tensor = counter, tensor.detach()
        counter.change(tensor, 1)

    def __del__(self) -> None:
        self.counter.change(self.tensor, -1)


@contextmanager
def count_saved(model: nn.Module) -> Iterator[SavedTensors]:
    """Count what autograd keeps within the context, without the model's own tensors."""
    counter = SavedTensors(model)
    with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda kept: kept.tensor):
        yield counter
