"""The record of a search, ``search.json``: its settings and the results of each epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.model import is_model_wrapper

from ..algorithms.base import SearchAlgorithm
from ..utils.files import DamagedFileError, read_json, write_json
from ..version import __version__
from ..visualize.report import write_report
from .settings import settings_of
from .work_dir import copy_name


class SearchRecord:
    """The record of a runner's search.

    Args:
        runner: The runner; the file goes into its work dir and records its seed and config.

    Attributes:
        folder: The work dir.
        data: The content of the file.
    """

    def __init__(self, runner: Any) -> None:
        self.folder = Path(runner.work_dir)
        algorithm = runner.model.module if is_model_wrapper(runner.model) else runner.model
        choices = algorithm.super_net.choices
        self.data: dict[str, Any] = dict(
            config=copy_name(runner.cfg),
            algorithm=type(algorithm).__name__,
            space=algorithm.super_net.space,
            seed=runner.seed,
            versions=dict(
                ppnas_mm=__version__, torch=torch.__version__, mmengine=mmengine.__version__
            ),
            choices={
                n: dict(candidates=list(c.candidates), gates=c.gates) for n, c in choices.items()
            },
            settings=settings_of(runner.cfg),
            epochs=[],
        )

    def resume(self, runner: Any) -> None:
        """Read the earlier epochs from the checkpoint, or from ``search.json`` for older
        checkpoints.

        Damaged or missing data is logged, and the record lists the lost epochs.
        """
        found, text = [], runner.message_hub.get_info('search_epochs', '')
        try:
            found = read_json(self.folder / 'search.json').get('epochs', [])[: runner.epoch]
        except DamagedFileError as error:
            source = 'its epochs are taken from the checkpoint' if text else 'its epochs are lost'
            runner.logger.warning(f'{error}; the record continues: {source}')
        self.data['epochs'] = json.loads(text) if text else found
        there = {entry['epoch'] for entry in self.data['epochs']}
        lost = [epoch for epoch in range(1, runner.epoch + 1) if epoch not in there]
        if lost:
            runner.logger.warning(f'the record lacks epochs {lost}')
            self.data['lost_epochs'] = lost

    def add_epoch(self, epoch: int, algorithm: SearchAlgorithm, means: dict[str, float]) -> None:
        """Add an epoch's entry.

        Args:
            epoch: Its number, from 1.
            algorithm: The search; its distribution and details are recorded.
            means: Means of losses and accuracies over the epoch.
        """
        entry = dict(
            epoch=epoch,
            losses={name: value for name, value in means.items() if 'loss' in name},
            architecture={
                name: [round(v, 6) for v in values]
                for name, values in algorithm.distribution().items()
            },
            **algorithm.details(),
        )
        metrics = {name: value for name, value in means.items() if 'accuracy' in name}
        if metrics:
            entry['metrics'] = metrics
        self.data['epochs'].append(entry)

    def provenance(self, epoch: int, epochs: int) -> dict[str, Any]:
        """Return the provenance of a genotype: the search that found it."""
        about = {key: self.data[key] for key in ('algorithm', 'config', 'seed')}
        return {**about, 'epoch': epoch, 'epochs': epochs}

    def write(self) -> None:
        """Write ``search.json``."""
        write_json(self.folder / 'search.json', self.data)

    def report(self, failed: str = '') -> None:
        """Write ``report.html``; ``failed``: why the search stops, if not in the record."""
        write_report(self.folder, self.data, failed.replace(str(self.folder), 'WORK_DIR'))
