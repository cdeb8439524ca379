"""Progress of long work: a bar on a terminal, a few lines in a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from mmengine.utils import ProgressBar, Timer

LINES = 10
"""Lines of a whole run in a file."""


class Progress(ProgressBar):
    """mmengine's progress bar on a terminal; elsewhere a line for each tenth of the work.

    A bar overwrites itself, so in a file it is one line of many thousand characters.

    Args:
        total: Number of items.
        what: What they are, in the plural.
    """

    def __init__(self, total: int, what: str = 'done') -> None:
        self.what = what
        super().__init__(total, file=sys.stdout)

    def start(self) -> None:
        """Show the empty bar."""
        if self.file.isatty():
            super().start()
        else:
            self.timer = Timer()

    def update(self, num_tasks: int = 1) -> None:
        """Count finished items."""
        if self.file.isatty():
            super().update(num_tasks)
            if self.completed >= self.task_num:
                self.file.write('\n')
            return
        before = self.completed * LINES // self.task_num
        self.completed += num_tasks
        if self.completed * LINES // self.task_num > before:
            left = self.timer.since_start() * (self.task_num / self.completed - 1)
            print(
                f'{self.completed} of {self.task_num} {self.what}, '
                f'{timedelta(seconds=round(left))} left',
                file=self.file,
                flush=True,
            )


def tracked(items: Sequence[Any], what: str) -> Iterator[Any]:
    """Yield items and show how many are done and how long the rest takes."""
    if not items:
        return
    bar = Progress(len(items), what)
    for item in items:
        yield item
        bar.update()
