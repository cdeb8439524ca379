"""Time of the parts of a real epoch: loading data, steps, everything else."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.hooks import Hook

from ..config.keys import ConfigError
from ..engine.runner import Runner
from .record import Record, conditions

PARTS = ('data loading', 'step', 'everything else')


class Enough(Exception):  # noqa: N818
    """All requested epochs have been timed, so the run need not finish."""


class Stopwatch:
    """Adds up the seconds of each part of an epoch.

    Args:
        epochs: Number of epochs; then :meth:`stop` ends the run.
    """

    def __init__(self, epochs: int) -> None:
        self.wanted = epochs
        self.epochs: list[dict[str, float]] = []
        self.last = 0.0

    def start(self) -> None:
        """Start an epoch."""
        self.epochs.append(dict.fromkeys(PARTS, 0.0))
        self.last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Add the time since the last lap to a part."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.epochs[-1][part] += now - self.last
        self.last = now

    def stop(self) -> None:
        """End the epoch, and the run after the last.

        Raises:
            Enough: After the last.
        """
        self.lap('everything else')
        if len(self.epochs) == self.wanted:
            raise Enough


class FirstHook(Hook):
    """Runs before all other hooks."""

    priority = 'HIGHEST'

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def before_train_epoch(self, runner: Any) -> None:
        """Start timing other hooks."""
        self.watch.start()

    def before_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """End the loading of a batch."""
        self.watch.lap('data loading')

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """End a step."""
        self.watch.lap('step')

    def after_train_epoch(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Count the time that the loader takes to stop."""
        self.watch.lap('data loading')


class LastHook(Hook):
    """Runs after all other hooks."""

    priority = 'LOWEST'

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def before_train_epoch(self, runner: Any) -> None:
        """Count the time of hooks before an epoch."""
        self.watch.lap('everything else')

    def before_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Count the time of hooks before a step."""
        self.watch.lap('everything else')

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Count the time of hooks after a step."""
        self.watch.lap('everything else')

    def after_train_epoch(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """End an epoch."""
        self.watch.stop()


def measure(config: Any, name: str, epochs: int = 1) -> Record:
    """Run the first epochs of a training or a search with all hooks, and time their parts.

    The first epoch warms up. Validation and the end of the search are left out.

    Args:
        config: A loaded config (``load_run``); its work dir is not used.
        name: Name of the config in the record.
        epochs: Number of timed epochs, of which medians are taken.

    Raises:
        ConfigError: If the config does not train by epochs, or has too few.
    """
    train = config.get('train_cfg') or {}
    if not train.get('by_epoch', 'max_epochs' in train) or train.get('max_epochs', 0) <= epochs:
        raise ConfigError(
            f'{name}: train_cfg={dict(train)} has not the {epochs + 1} epochs that are run; '
            'take a config that trains by epochs'
        )
    config = config.copy()
    config.train_cfg.val_interval = train['max_epochs'] + 1
    watch = Stopwatch(epochs + 1)
    with TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = Runner.from_cfg(config)
        runner.register_hook(FirstHook(watch))
        runner.register_hook(LastHook(watch))
        with suppress(Enough):
            runner.train()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'  # the device that mmengine uses
    return Record('epoch', conditions(device, epochs=epochs), results(name, watch.epochs[1:]))


def results(name: str, epochs: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Return a result for each part: median and minimum in milliseconds, share of the epoch."""
    middle = {part: statistics.median(1e3 * e[part] for e in epochs) for part in PARTS}
    whole = sum(middle.values())
    return [
        dict(
            config=name,
            part=part,
            median=middle[part],
            least=min(1e3 * e[part] for e in epochs),
            share=100 * middle[part] / whole,
        )
        for part in PARTS
    ]
