"""Measured steps of searches beside what the cost model predicts for them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from ..config import load_config, replace_sync_bn
from ..report import table
from .cost_model import Probe, build_algorithm, input_size, make_batch


@dataclass(frozen=True)
class Case:
    """A step: of which search, with which options, in which epoch, of how many images."""

    config: str
    images: int
    epoch: int = 1
    options: Mapping[str, Any] | None = None


DEEPER = {'model.model.backbone.depth': 38}
MORE_CELLS = {'model.model.backbone.num_cells': 8, 'model.evaluation.num_cells': 12}
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
}
"""A step of every algorithm, and batch, depth and size changed."""


def prepare(case: Case, folder: Path, probe: int = 2, draws: int = 8) -> tuple[float, Callable]:
    """Return the operations that the model predicts for a step, and a function that times it.

    The function returns processor seconds of this process, the mean of ``draws`` steps where the
    algorithm draws.
    """
    config = load_config(folder / f'{case.config}.py', case.options)
    replace_sync_bn(config.model)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        algorithm = build_algorithm(config)
        algorithm.epochs = config.train_cfg.max_epochs
        algorithm.before_epoch(case.epoch)
        optimizers = build_optim_wrapper(algorithm, config.optim_wrapper)
        size = input_size(config)
        small, large = (make_batch(algorithm.model, n, size) for n in (probe, case.images))
        few = Probe(algorithm, optimizers, small, draws)
        flops = few.step()[0] * case.images / probe
    many = Probe(algorithm, optimizers, large, draws)

    def seconds() -> float:
        start = time.process_time()
        for _ in range(many.draws):
            many.train_step()
        return (time.process_time() - start) / many.draws

    return flops, seconds


def check_steps(folder: Path, rounds: int = 5) -> str:
    """Time all :data:`CASES` in turn; return a table of predicted and measured times.

    Predicted is the time of the operations at one rate, the median of all cases' rates.

    Args:
        folder: Of the search configs.
        rounds: Timed rounds, after one to warm up; medians are reported.
    """
    prepared = {name: prepare(case, folder) for name, case in CASES.items()}
    times: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(rounds + 1):
        for name, (_, seconds) in prepared.items():
            times[name].append(seconds())
    measured = {name: statistics.median(values[1:]) for name, values in times.items()}
    rates = {name: flops / measured[name] for name, (flops, _) in prepared.items()}
    rate = statistics.median(rates.values())
    rows = [
        [
            name,
            CASES[name].images,
            f'{flops / 1e9:.2f}',
            f'{flops / rate:.2f}',
            f'{measured[name]:.2f}',
            f'{flops / rate / measured[name] - 1:+.0%}',
            f'{rates[name] / 1e9:.1f}',
        ]
        for name, (flops, _) in prepared.items()
    ]
    header = ['step', 'images', 'GFLOPs', 'predicted, s', 'measured, s', 'error', 'GFLOPs a second']
    return table(header, rows)
