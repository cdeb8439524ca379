"""Latency of the three ResNets: eager, deployed and compiled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import torch

from .. import backbone_latency
from .parts import Options, Row, attempt

NETWORKS = ('ResNet-50-vd', 'Res2Net-50-vd', 'PP-ResNet-50')
FIRST = ('fp16', 32)
"""The input of the target, measured first."""
PRECISIONS, BATCHES = ('fp16', 'bf16', 'fp32'), (32, 1, 128)
WANTED = {'ResNet-50-vd': 1.3, 'Res2Net-50-vd': 1.0}
"""Maximum time of PP-ResNet-50 relative to these, compiled in fp16 at batch 32."""


def inputs(tiny: bool) -> list[tuple[str, int, tuple[str, ...]]]:
    """Return types, batches and forms in order of importance.

    The target is compiled first.  Compiling takes most of the time, so all uncompiled forms are
    timed before the other compiled ones.
    """
    if tiny:
        return [('fp32', 1, ('eager', 'deployed')), ('fp32', 2, ('compiled',))]
    spots = [FIRST, *(s for s in product(PRECISIONS, BATCHES) if s != FIRST)]
    plain = [(dtype, batch, ('eager', 'deployed')) for dtype, batch in spots]
    compiled = [(dtype, batch, ('compiled',)) for dtype, batch in spots]
    return [compiled[0], *plain, *compiled[1:]]


def targets(medians: dict[str, float], dtype: str, batch: int) -> Iterator[Row]:
    """Yield a row for each target, from the medians of compiled networks."""
    for peer, wanted in WANTED.items():
        seen = medians['PP-ResNet-50'] / medians[peer]
        what = f'PP-ResNet-50 / {peer}, compiled, {dtype}, batch {batch}'
        yield dict(target=what, wanted=wanted, seen=seen, met=seen <= wanted)


def rows(options: Options) -> Iterator[Row]:
    """Yield the medians of each network, form and input, and the targets."""
    torch.backends.cudnn.benchmark = True
    size, rounds = (32, 1) if options.tiny else (224, 20)

    def measure(dtype: str, batch: int, forms: tuple[str, ...]) -> Iterator[Row]:
        found: Sequence = backbone_latency.measure(
            NETWORKS, forms, (batch,), (size,), (dtype,), options.device, rounds, memory=False
        ).results
        yield from map(dict, found)
        if forms == ('compiled',) and (options.tiny or (dtype, batch) == FIRST):
            medians = {row['network']: row['median'] for row in found}
            yield from targets(medians, dtype, batch)

    for spot in inputs(options.tiny):
        dtype, batch, forms = spot
        what = {'form': ' '.join(forms), 'dtype': dtype, 'batch': batch}
        yield from attempt(what, partial(measure, *spot))
