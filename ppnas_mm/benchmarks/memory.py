"""Peak memory of a call; on a CPU that of a separate process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn


def resident(what: str) -> float:
    """Return the memory of this process in MiB: ``'VmRSS'`` now, ``'VmHWM'`` peak (Linux)."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def weights(module: nn.Module) -> float:
    """Return the size of parameters and buffers in MiB."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20


def _peak(make: Callable[..., Callable[[], Any]], arguments: tuple, device: str) -> float:
    """Build a call, run it twice, and return the peak MiB that the second run adds."""
    call = make(*arguments)
    call()
    if device == 'cuda':
        before = float(torch.cuda.memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # resets the high-water mark
    before = resident('VmRSS')
    call()
    return resident('VmHWM') - before


def peak_memory(
    make: Callable[..., Callable[[], Any]], *arguments: Any, device: str = 'cpu'
) -> float:
    """Return the peak MiB that a call adds to the memory in use.

    torch counts the memory of a GPU.  On a CPU the call runs in a separate process with as many
    threads as this one; this needs Linux with glibc.

    Args:
        make: A module-level function that returns the call.
        *arguments: Its arguments.
        device: ``'cpu'`` or ``'cuda'``.
    """
    if device == 'cuda':
        return _peak(make, arguments, device)
    threads = torch.get_num_threads()
    with ProcessPoolExecutor(
        1, get_context('spawn'), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        return pool.submit(_peak, make, arguments, device).result()
