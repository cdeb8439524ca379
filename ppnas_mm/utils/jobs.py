"""Runs tools one after the other, each in its own process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from .progress import Progress

PRCTL = getattr(ctypes.CDLL(None), 'prctl', None)
"""Linux only; looked up here, because little may be done between fork and exec."""

DEGENERATE = 'error: DegenerateArchitectureError'
"""Error line of a search without a complete architecture; its record has it, too."""


class JobError(RuntimeError):
    """A tool failed; the message has its error line and the path of its output."""


class NothingFoundError(JobError):
    """A search finished without a complete architecture."""


class Jobs:
    """Runs tools; a progress bar shows how many are done and how long the rest takes.

    Args:
        total: Number of jobs, including finished ones.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.bar: Any = None  # from the first job on that is run

    def run(
        self,
        finished: bool,
        tool: Path,
        work_dir: Path,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        named: bool = True,
    ) -> None:
        """Run ``tool`` with a work dir, which also gets its ``output.log``, unless ``finished``.

        Without ``named`` the tool gets no ``--work-dir``.

        The tool ends with this process, also after SIGTERM, and on Linux after SIGKILL.

        Raises:
            NothingFoundError: If it is a search that ends without an architecture.
            JobError: If the tool fails otherwise.
        """
        self.done += 1
        if finished:
            if self.bar is not None:
                self.bar.task_num -= 1
            return
        command = [sys.executable, str(tool), *map(str, arguments)]
        command += ['--work-dir', str(work_dir)] if named else []
        work_dir.mkdir(parents=True, exist_ok=True)
        log = work_dir / 'output.log'
        print(f'[{self.done}/{self.total}]', *command[1:], '>', log, flush=True)
        if self.bar is None:
            self.bar = Progress(self.total - self.done + 1, 'jobs')
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with open(log, 'a') as output:
                code = _run(command, output, environment)
        finally:
            signal.signal(signal.SIGTERM, before)
        if code:
            text = _error(log, code)
            kind = NothingFoundError if DEGENERATE in text else JobError
            raise kind(f'{text} (all of its output: {log})')
        self.bar.update()


def _end_with(parent: int, prctl: Any) -> None:
    """Let Linux kill this process when its parent ends, even by SIGKILL."""
    prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _run(command: list[str], output: IO[str], environment: Mapping[str, str] | None) -> int:
    """Run a command until it ends or this process is stopped; it leaves no process behind."""
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        preexec_fn=partial(_end_with, os.getpid(), PRCTL) if PRCTL else None,
    )
    try:
        return process.wait()
    except BaseException:
        # subprocess.run kills, too, but does not wait for the end after an interrupt
        process.kill()
        process.wait()
        raise


def _error(log: Path, code: int) -> str:
    """Return the last error line of a tool's output."""
    if code < 0:
        return f'ended by {signal.Signals(-code).name}'
    lines = [line.strip() for line in log.read_text(errors='replace').splitlines()]
    named = [line for line in lines if line.startswith('error: ')] or [x for x in lines if x]
    return named[-1] if named else f'exit code {code}'
