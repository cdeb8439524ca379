"""Averages over the processes of a search, and a count of the bytes sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mmengine.dist import all_reduce_params
from torch import Tensor, nn

_counts: list[list[int]] = []


def average(tensors: Iterable[Tensor]) -> None:
    """Average tensors over all processes, in place, in one call for each dtype.

    All processes must pass tensors of the same shapes in the same order.
    """
    listed = list(tensors)
    for count in _counts:
        count.append(sum(t.numel() * t.element_size() for t in listed))
    all_reduce_params(listed, op='mean')


def average_buffers(model: nn.Module) -> None:
    """Average running statistics and other floating-point buffers over all processes."""
    average(b for b in model.buffers() if b.is_floating_point())


@contextmanager
def counted() -> Iterator[list[int]]:
    """Yield a list of the bytes of each :func:`average` within the context.

    A single process sends nothing but is counted, too: as what each of several would average.
    """
    count: list[int] = []
    _counts.append(count)
    try:
        yield count
    finally:
        _counts.remove(count)
