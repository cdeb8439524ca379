"""Peak memory of a call; on a CPU that of the whole process, so in one of its own."""

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
    """Return the memory of this process in MiB: ``'VmRSS'`` now, ``'VmHWM'`` at most (Linux)."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def weights(module: nn.Module) -> float:
    """Return the MiB of the parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20


def _peak(make: Callable[..., Callable[[], Any]], arguments: tuple, device: str) -> float:
    """Make a call, do it twice, and return the MiB that the second adds at most."""
    call = make(*arguments)
    call()
    if device == 'cuda':
        before = float(torch.cuda.memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # the high-water mark starts anew
    before = resident('VmRSS')
    call()
    return resident('VmHWM') - before


def peak_memory(
    make: Callable[..., Callable[[], Any]], *arguments: Any, device: str = 'cpu'
) -> float:
    """Return the MiB that a call adds at most to what is there.

    A GPU's memory is counted by torch.  On a CPU the call has a process of its own, of as many
    threads as this one; that needs Linux with glibc.

    Args:
        make: A function of a module that returns the call.
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
