"""Processes that write and download, and are killed with SIGKILL at random moments."""

import hashlib
import io
import itertools
import multiprocessing
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ppnas_mm.engine.checkpoint import AtomicBackend
from ppnas_mm.weights.download import obtain

# one clean process, with the package imported, from which the others are cheap copies
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['killed'])


def write_checkpoints(seconds: Any, folder: str) -> None:
    """Overwrite a checkpoint of 2 MB for ever, as ``SafeCheckpointHook`` does."""
    torch.set_num_threads(1)
    for epoch in range(10**9):
        begin = time.perf_counter()
        stream = io.BytesIO()
        torch.save({'state_dict': {'w': torch.full((500_000,), float(epoch))}}, stream)
        AtomicBackend().put(stream.getvalue(), f'{folder}/epoch_1.pth')
        if epoch == 1:
            seconds.send(time.perf_counter() - begin)


def download(seconds: Any, folder: str, urls: dict[str, tuple[int, str]]) -> None:
    """Fetch files into a folder, one after the other, for ever."""
    for number, (url, (size, digest)) in enumerate(itertools.cycle(urls.items())):
        begin = time.perf_counter()
        target = Path(folder, url.split('/')[-1])
        obtain([url], target, size, digest)
        target.unlink(missing_ok=True)
        if number == 1:
            seconds.send(time.perf_counter() - begin)


def obtain_once(started: Any, url: str, target: str, size: int, digest: str) -> None:
    """Fetch one file; the exit code tells whether that went well."""
    started.wait()
    obtain([url], Path(target), size, digest)


def kill_at_random(
    work: Callable[..., None], arguments: tuple, times: int, check: Callable[[], None], seed: int
) -> None:
    """Start a worker and kill it at a moment within its third and fourth round; check; repeat."""
    moments = random.Random(seed)
    for _ in range(times):
        ours, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=work, args=(theirs, *arguments))
        process.start()
        assert ours.poll(60)
        time.sleep(moments.uniform(0, 2 * ours.recv()))
        process.kill()
        process.join()
        assert process.exitcode == -9
        check()


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
