"""Training steps of the three ResNets, in all number types and both layouts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from .. import train_step
from .latencies import NETWORKS
from .parts import Options, Row, attempt

KINDS = (('fp16', True), ('fp32', True), ('bf16', True), ('fp16', False), ('fp32', False))
"""Number types, and whether the layout is channels-last."""


def rows(options: Options) -> Iterator[Row]:
    """Yield the medians of each network, type and layout."""
    torch.backends.cudnn.benchmark = True
    batch, size, rounds = (2, 32, 1) if options.tiny else (64, 224, 10)

    def measure(dtype: str, last: bool) -> Iterator[Row]:
        found = train_step.measure(
            NETWORKS,
            (batch,),
            (size,),
            (dtype,),
            options.device,
            rounds,
            memory=options.device == 'cuda',
            channels_last=last,
        ).results
        for row in found:
            yield dict(row, layout='channels-last' if last else 'contiguous')

    for dtype, last in (('fp32', True), ('bf16', False)) if options.tiny else KINDS:
        what = {'dtype': dtype, 'channels_last': last}
        yield from attempt(what, partial(measure, dtype, last))
