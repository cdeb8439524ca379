"""Comparable timings: interleaved, repeated, medians."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

SHORTEST = 5e-3
"""A timing repeats its call for about this many seconds; clocks and launches are slow."""

Key = TypeVar('Key')


def device_name(device: torch.device) -> str:
    """Return the name of the GPU or of the processor."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def samples(
    runs: Mapping[Key, Callable[[], Any]], device: torch.device, repeats: int, warmup: int
) -> dict[Key, list[float]]:
    """Return the milliseconds of each call and repeat; repeats alternate between the calls.

    Args:
        runs: The calls, by key.
        device: Their device; a GPU is synchronised.
        repeats: Timings of each call.
        warmup: Untimed calls of each.

    Raises:
        ValueError: If ``repeats`` or ``warmup`` is below 1.
    """
    if repeats < 1 or warmup < 1:
        raise ValueError(f'repeats={repeats}, warmup={warmup}: expected numbers from 1')

    def seconds(run: Callable[[], Any], number: int) -> float:
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(number):
            run()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        return (time.perf_counter() - start) / number

    numbers = {}
    for key, run in runs.items():
        fastest = min(seconds(run, 1) for _ in range(warmup))
        numbers[key] = max(1, round(SHORTEST / max(fastest, 1e-7)))
    taken: dict[Key, list[float]] = {key: [] for key in runs}
    for _ in range(repeats):
        for key, run in runs.items():
            taken[key].append(1e3 * seconds(run, numbers[key]))
    return taken


def timings(
    runs: Mapping[Key, Callable[[], Any]], device: torch.device, repeats: int, warmup: int
) -> dict[Key, float]:
    """Return the medians of :func:`samples`."""
    taken = samples(runs, device, repeats, warmup)
    return {key: statistics.median(values) for key, values in taken.items()}
