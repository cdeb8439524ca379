"""Measured steps of searches beside what the cost model predicts for them.

The rates of the machine are fitted to some steps and tried on others, which the fit has not seen.
Two rules say which: from the steps on digits, small images, to all larger ones; and from every
second case to the cases between, and back.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from ..config.load import load_config, replace_sync_bn
from .cost_model import Probe, Probes, build_algorithm, input_size, make_batch
from .record import Record, conditions
from .step_counters import Counts
from .step_rates import fit_rates


@dataclass(frozen=True)
class Case:
    """A step: of which search, with which options, in which epoch, of how many images."""

    config: str
    images: int
    epoch: int = 1
    options: Mapping[str, Any] | None = None


DEEPER = {'model.model.backbone.depth': 38}
MORE_CELLS = {'model.model.backbone.num_cells': 8, 'model.evaluation.num_cells': 12}
MEASURED = {'model.model.backbone.reductions': (3, 6)}  # those of the record
CASES = {
    'PP-NAS, digits': Case('ppnas_digits', 32),
    'PP-NAS, digits, batch 64': Case('ppnas_digits', 64),
    'PP-NAS, digits, depth 38': Case('ppnas_digits', 32, options=DEEPER),
    'PP-NAS, CIFAR, depth 110': Case('ppnas_cifar10', 2),
    'CDARTS, digits, evaluation': Case('cdarts_digits', 32, 3),
    'CDARTS, digits, joint': Case('cdarts_digits', 32, 4),
    'CDARTS, digits, joint, batch 64': Case('cdarts_digits', 64, 4),
    'CDARTS, digits, joint, 8 + 12 cells': Case('cdarts_digits', 32, 4, MORE_CELLS),
    'CDARTS, CIFAR, joint': Case('cdarts_cifar10', 4, 4),
    'DARTS, digits': Case('darts_digits', 32, 3),
    'DARTS, CIFAR': Case('darts_cifar10', 4),
    'EoiNAS, digits': Case('eoinas_digits', 32, 13),
    'EoiNAS, CIFAR': Case('eoinas_cifar10', 8, 21),
    'SPOS, digits': Case('spos_digits', 32),
    'SE-NAS, digits': Case('senas_digits', 32),
    'SE-NAS, digits, batch 64': Case('senas_digits', 64),
    'SE-NAS, CIFAR': Case('senas_cifar10', 8),
    'GDAS, CIFAR': Case('gdas_cifar10', 8),
    'PP-NAS, ImageNet': Case('ppnas_imagenet', 2),
    'CDARTS, ImageNet, joint': Case('cdarts_imagenet', 2, 14),
    'SPOS, ImageNet': Case('spos_imagenet', 2),
    'EoiNAS, Cityscapes': Case('eoinas_cityscapes', 2, 21, MEASURED),
}
"""A step of every algorithm, and batch, depth and size changed."""


def prepare(case: Case, folder: Path, draws: int = 4) -> tuple[Counts, Callable]:
    """Return what the model predicts that a step takes, and a function that times it.

    The function returns processor seconds of this process, the mean of ``draws`` steps where the
    algorithm draws, the same ones as in the prediction.
    """
    config = load_config(folder / f'{case.config}.py', case.options)
    replace_sync_bn(config.model)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        algorithm = build_algorithm(config)
        algorithm.epochs = config.train_cfg.max_epochs
        algorithm.before_epoch(case.epoch)
        optimizers = build_optim_wrapper(algorithm, config.optim_wrapper)
        size = input_size(config)
        large = make_batch(algorithm.model, case.images, size)
        probe = Probe(algorithm, optimizers, large, draws)
        counts = Probes(algorithm, optimizers, size, draws).step(case.images)

    def seconds() -> float:
        probe.rewind()
        start = time.process_time()
        for _ in range(probe.draws):
            probe.train_step()
        return (time.process_time() - start) / probe.draws

    return counts, seconds


def check_steps(folder: Path, rounds: int = 5) -> Record:
    """Time all :data:`CASES` in turn, and predict their times from those of others.

    Args:
        folder: Of the search configs.
        rounds: Timed rounds, after one to warm up; medians are reported.
    """
    prepared = {name: prepare(case, folder) for name, case in CASES.items()}
    times: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(rounds + 1):
        for name, (_, seconds) in prepared.items():
            times[name].append(seconds())
    counts = {name: found for name, (found, _) in prepared.items()}
    measured = {name: statistics.median(values[1:]) for name, values in times.items()}
    return compare(counts, measured, rounds)


def compare(counts: Mapping[str, Counts], measured: Mapping[str, float], rounds: int) -> Record:
    """Set predicted times beside the measured seconds of some of :data:`CASES`."""
    names = list(counts)
    small = [name for name in names if 'digits' in name]
    halves = [names[::2], names[1::2]]
    from_small, *from_halves = (
        fit_rates([counts[n] for n in chosen], [measured[n] for n in chosen])
        for chosen in (small, *halves)
    )
    results = []
    for place, name in enumerate(names):
        took = 1000 * measured[name]
        predicted = 1000 * from_small.seconds(counts[name])
        crossed = 1000 * from_halves[1 - place % 2].seconds(counts[name])
        results.append(
            dict(
                part=name,
                role='fitted' if name in small else 'held out',
                images=CASES[name].images,
                gigaflops=counts[name].flops / 1e9,
                gigabytes=counts[name].moved / 1e9,
                operations=counts[name].operations,
                median=took,
                predicted=predicted,
                error=100 * (predicted / took - 1),
                crossed=100 * (crossed / took - 1),
            )
        )
    titles = ('rates from digits:', 'from the 1st half:', 'from the 2nd half:')
    rates = dict(zip(titles, map(str, (from_small, *from_halves)), strict=True))
    return Record('step-check', conditions('cpu', rounds=rounds, **rates), results)
