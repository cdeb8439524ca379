"""Simulate how well the scores of SE-NAS rank operations on NAS-Bench-201."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..algorithms.one_shot.operator_scores import (
    KINDS,
    operator_scores,
    selection_importance,
    weakest,
)
from ..algorithms.one_shot.scored_models import stratified_models
from ..tables import NASBench201Table
from ..utils.tables import table as format_table
from .nasbench201 import accuracy_grid


class Setting(NamedTuple):
    """Settings of the simulation.

    Attributes:
        samples: Models per operation.
        stages: Number of times that operations are dropped.
        drops: Operations dropped each time.
        seeds: Number of random seeds, from 0, to average.
    """

    samples: int = 200
    stages: int = 2
    drops: int = 10
    seeds: int = 20


def true_best(alive: dict[str, list[int]], values: np.ndarray, number: int) -> set:
    """Return the operations with the highest mean accuracy of all models that contain them."""
    means = {
        (name, op): float(values.take(op, axis).mean())
        for axis, (name, ops) in enumerate(alive.items())
        for op in ops
    }
    return set(sorted(means, key=means.__getitem__, reverse=True)[:number])


def shrink(
    space: dict[str, list[int]],
    values: np.ndarray,
    kind: str,
    noise: float,
    setting: Setting,
    seed: int,
) -> list[dict[str, list[int]]]:
    """Return the operations left after each stage of one simulated shrinking.

    Args:
        space: The operations of each edge.
        values: Accuracies, one axis for each edge.
        kind: Kind of the score, or ``'random'``.
        noise: Standard deviation of the noise added to accuracies.
        setting: Samples per operation, stages and drops.
        seed: Random seed.
    """
    rng = np.random.default_rng(seed)
    alive, stages = {name: list(ops) for name, ops in space.items()}, []
    for _ in range(setting.stages):
        models = stratified_models(alive, setting.samples, rng)
        seen = values[tuple(zip(*(model.values() for model in models), strict=True))]
        seen = seen + rng.normal(0, noise, len(models))
        importance = selection_importance(models, seen.tolist(), alive)
        scores = operator_scores(importance, 'si' if kind == 'random' else kind)
        if kind == 'random':
            scores = {spot: float(rng.random()) for spot in scores}
        for name, op in weakest(scores, setting.drops, alive, rng):
            alive[name].remove(op)
        stages.append({name: list(ops) for name, ops in alive.items()})
    return stages


def simulate(
    space: dict[str, list[int]], values: np.ndarray, noises: Sequence[float], setting: Setting
) -> list[dict[str, Any]]:
    """Return means over the seeds for each noise and score: operations kept, best and mean left."""
    top = true_best(space, values, max(1, sum(map(len, space.values())) - setting.drops))
    results = []
    for noise, kind in itertools.product(noises, [*KINDS, 'random']):
        rows = []
        for seed in range(setting.seeds):
            stages = shrink(space, values, kind, noise * float(values.std()), setting, seed)
            kept = {(name, op) for name, ops in stages[0].items() for op in ops}
            left = values[np.ix_(*stages[-1].values())]
            rows.append([len(kept & top), left.max(), left.mean()])
        means = dict(zip(('kept', 'best', 'mean'), np.mean(rows, 0).tolist(), strict=True))
        deviation = float(np.std([kept for kept, *_ in rows]))
        about = {'noise': noise, 'score': kind, 'top': len(top)}
        results.append({**about, **means, 'kept_std': deviation})
    return results


def shrink_table(
    path: str | os.PathLike, dataset: str, noises: Sequence[float], setting: Setting
) -> tuple[list[dict[str, Any]], str]:
    """Simulate shrinkings with accuracies of NAS-Bench-201 plus noise as those of the super-net.

    Args:
        path: File or folder of the table.
        dataset: Data set of the table.
        noises: Standard deviations of the noise, relative to that of the table.
        setting: Number and size of the shrinkings.

    Returns:
        The results of :func:`simulate`, and a table of them.

    Raises:
        TableError: If the table is missing or damaged.
    """
    results = simulate(*accuracy_grid(NASBench201Table.load(path), dataset), noises, setting)
    kept = f'true top {results[0]["top"]} kept'
    keys = ('kept', 'kept_std', 'best', 'mean')
    rows = [[r['score'], f'{r["noise"]:g}', *(f'{r[k]:.2f}' for k in keys)] for r in results]
    header = ['score', 'noise', kept, 'deviation', 'best left', 'mean left']
    return results, format_table(header, rows)
