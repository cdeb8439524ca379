"""Compare a step of every search with its plain form, and measure its peak memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from .. import search_step
from .parts import Options, Row, attempt

ORDER = ('ppnas', 'cdarts', 'eoinas', 'senas', 'gdas', 'darts', 'spos', 'darts-2nd')
WANTED = 4.0
"""Target speed relative to the plain form."""


def rows(options: Options) -> Iterator[Row]:
    """Yield the medians of each formulation of each search, and the target of each."""
    torch.backends.cudnn.benchmark = True
    batch, size, rounds = (2, 32, 1) if options.tiny else (64, 32, 5)
    only = ('plain', 'ours') if options.tiny else ('plain', 'plain, channels-last', 'ours')

    def measure(name: str) -> Iterator[Row]:
        given = (batch, size, options.device, rounds)
        memory = options.device == 'cuda'
        found = search_step.measure([name], *given, memory=memory, only=only).results
        yield from map(dict, found)
        speed = next(row['speed'] for row in found if row['formulation'] == 'ours')
        yield dict(target=f'{name}: step', wanted=WANTED, seen=speed, met=speed >= WANTED)

    for name in ORDER:
        yield from attempt({'algorithm': name}, partial(measure, name))
