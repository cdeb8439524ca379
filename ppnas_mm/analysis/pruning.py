"""Simulate which operations EoiNAS prunes, with known accuracy of every cell.

This reconstructs the closed loop of a search, with the package's classes for indicator, chain and
pruning.  Only the network is replaced: a step of alpha sees the accuracy of the drawn cell on a
batch, and beta follows a simple rule.

- In each step of an epoch every edge draws an operation by Gumbel-max from beta, once for the
  weights (E) and once for alpha (A).
- After an epoch the share beta of an operation moves by ``drift * z`` and stays above .01; then
  shares are scaled to the sum 1.  z is A minus the mean over the operations alive on the edge,
  scaled so that the largest is 1 (as Adam's steps, which do not depend on the size of the
  gradient).  With drift 0 beta stays uniform.
- The schedule is that of the package: an interval of warm-up, then one pruning per interval.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..algorithms.eoinas.importance import OperationImportance
from ..algorithms.eoinas.markov import LiveDie
from ..algorithms.eoinas.slimming import Plan, Slimming
from ..tables import NASBench201Table
from ..tables.table import find
from ..utils.tables import table
from .nasbench201 import accuracy_grid

BEFORE, EDGE, NONE = {'against': 'before'}, {'against': 'edge'}, {'epsilon': (0.0, 0.0)}
RESET, KEPT = {'forget': True}, {'forget': False}
READINGS: dict[str, dict[str, Any]] = {
    'step before, every epoch, E reset': {'chain': BEFORE, 'indicator': RESET, 'step': 1},
    'step before, every epoch': {'chain': BEFORE, 'indicator': KEPT, 'step': 1},
    'step before, every pruning, E reset': {'chain': BEFORE, 'indicator': RESET, 'step': None},
    'step before, every pruning': {'chain': BEFORE, 'indicator': KEPT, 'step': None},
    'edge mean, every epoch, E reset': {'chain': EDGE, 'indicator': RESET, 'step': 1},
    'edge mean, every epoch (default)': {'chain': EDGE, 'indicator': KEPT, 'step': 1},
    'edge mean, every pruning': {'chain': EDGE, 'indicator': KEPT, 'step': None},
    'no chain: lowest I': {'chain': NONE, 'indicator': KEPT, 'step': 1},
    'no chain: lowest beta': {'chain': NONE, 'indicator': {'kind': 'beta'}, 'step': 1},
}
"""Readings of the paper by name: options of the chain, the indicator and the plan."""
LEAST = 0.01  # a softmax never reaches zero


class World(NamedTuple):
    """Independent searches in one space.

    Attributes:
        edges, ops: Size of the space.
        accuracy: Maps cells, ``(steps, searches, edges)``, to the accuracies in [0, 1] that a step
            sees.
        score: Maps cells, ``(searches, edges)``, to their scores.
    """

    edges: int
    ops: int
    accuracy: Callable[[np.ndarray], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]


def table_world(drive: np.ndarray, values: np.ndarray) -> World:
    """Return a space whose accuracies are tables with an axis per edge, in per cent."""

    def look_up(table: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return table[tuple(np.moveaxis(cells, -1, 0))]

    return World(
        drive.ndim,
        drive.shape[0],
        lambda cells: look_up(drive, cells) / 100,
        lambda cells: look_up(values, cells),
    )


def made_world(searches: int, edges: int, ops: int, rng: np.random.Generator) -> World:
    """Return a separate space for each search: every operation has a quality on every edge.

    Qualities are uniform in [0, 1]; the accuracy is .3 + .6 times their mean.  A cell scores 0 if
    it is as good as the mean of all and 1 if it is the best.
    """
    quality = rng.random((searches, edges, ops))
    each, edge = np.arange(searches)[:, None], np.arange(edges)
    mean, best = quality.mean((1, 2)), quality.max(2).mean(1)

    def found(cells: np.ndarray) -> np.ndarray:
        return quality[each, edge, cells].mean(-1)

    return World(
        edges,
        ops,
        lambda cells: 0.3 + 0.6 * found(cells),
        lambda cells: (found(cells) - mean) / (best - mean),
    )


class Edges:
    """The super-net interface for :class:`Slimming`, with edges that may keep any operation.

    Args:
        alive: Mask ``(edges, operations)``, changed by prunings.
    """

    def __init__(self, alive: torch.Tensor) -> None:
        self.alive = alive
        self.names = [str(row) for row in range(len(alive))]

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        """Return the operations left on an edge."""
        return tuple(self.alive[int(name)].nonzero().flatten().tolist())

    keepable = alive_candidates

    def by_name(self, table: torch.Tensor) -> dict[str, list[float]]:
        """Return the rows of a table by the names of the edges."""
        return dict(zip(self.names, table.tolist(), strict=True))


class Setting(NamedTuple):
    """Settings of the simulation.

    Attributes:
        seeds: Number of independent searches to average.
        interval: Epochs between prunings.
        steps: Steps per epoch.
        batch: Images per step.
    """

    seeds: int = 40
    interval: int = 20
    steps: int = 100
    batch: int = 64


class Search:
    """Several independent searches in a world, with one reading of the paper.

    Args:
        world: The space.
        reading: A value of :data:`READINGS`.
        setting: Number and length of the searches.
        seed: Random seed of all draws.
    """

    def __init__(self, world: World, reading: dict[str, Any], setting: Setting, seed: int) -> None:
        size = setting.seeds * world.edges, world.ops
        self.world, self.setting = world, setting
        self.rng = np.random.default_rng(seed)
        self.importance = OperationImportance(*size, **reading['indicator'])
        self.chain, self.slimming = LiveDie(*size, **reading['chain']), Slimming()
        self.epochs = setting.interval * world.ops
        self.plan: Plan = self.slimming.plan(self.epochs, world.ops - 1, None, reading['step'])
        self.alpha = torch.zeros(size, dtype=torch.double)
        self.edges = Edges(torch.ones(size, dtype=torch.bool))
        self.prunings = 0

    def beta(self) -> torch.Tensor:
        """Return the softmax of alpha over the operations left."""
        return self.alpha.masked_fill(~self.edges.alive, -float('inf')).softmax(1)

    def draw(self) -> np.ndarray:
        """Return the operations of an epoch's steps, ``(steps, edges of all searches)``."""
        logits = self.beta().log().numpy()
        noise = self.rng.gumbel(size=(self.setting.steps, *logits.shape))
        return (logits + noise).argmax(-1)

    def train(self) -> None:
        """Do the steps of an epoch."""
        shape = self.setting.steps, self.setting.seeds, self.world.edges
        drawn, seen = self.draw(), self.draw()
        accuracy = self.world.accuracy(seen.reshape(shape))
        batch = self.rng.binomial(self.setting.batch, accuracy) / self.setting.batch
        shares = torch.tensor(batch).repeat_interleave(self.world.edges, 1)
        self.importance.start_epoch()
        for weights, arch, share in zip(*map(torch.tensor, (drawn, seen)), shares, strict=True):
            self.importance.count_training(weights)
            self.importance.count_accuracy(arch, share)
        self.importance.finish_epoch()

    def move_beta(self, drift: float) -> None:
        """Move beta towards A."""
        known = self.edges.alive & (self.importance.accuracy >= 0)
        a = torch.where(known, self.importance.accuracy, 0.0)
        centred = torch.where(known, a - a.sum(1, keepdim=True) / known.sum(1, keepdim=True), 0.0)
        z = centred / centred.abs().amax(1, keepdim=True).clamp(min=1e-12)
        self.alpha = (self.beta() + drift * z).clamp(min=LEAST).log()

    def prune(self, indicator: torch.Tensor) -> None:
        """Prune one operation on each edge."""
        die, importance = map(self.edges.by_name, (self.chain.die, indicator))
        for name, op in self.slimming.worst(self.edges, die, importance):  # type: ignore[arg-type]
            self.edges.alive[int(name), op] = False
        self.prunings += 1
        self.importance.on_pruning()
        self.chain.before = self.importance(self.beta(), self.edges.alive)

    def run(self, drift: float) -> np.ndarray:
        """Return the scores of the cells found."""
        for epoch in range(self.plan.warmup + 1, self.epochs + 1):
            self.train()
            self.move_beta(drift)
            indicator = self.importance(self.beta(), self.edges.alive)
            if self.plan.steps(epoch):
                progress = self.prunings / (self.world.ops - 1)
                self.chain.step(indicator, self.edges.alive, progress)
            if self.plan.due(epoch):
                self.prune(indicator)
        cells = self.edges.alive.double().argmax(1).numpy()
        return self.world.score(cells.reshape(self.setting.seeds, self.world.edges))


def simulate(
    worlds: dict[str, World], drifts: Sequence[float], setting: Setting
) -> list[dict[str, Any]]:
    """Return mean and standard deviation over the seeds of each reading, world and drift."""
    results = []
    for name, (world, space), drift in itertools.product(READINGS, worlds.items(), drifts):
        scores = Search(space, READINGS[name], setting, 1).run(drift)
        about = {'reading': name, 'world': world, 'drift': drift}
        results.append({**about, 'mean': float(scores.mean()), 'std': float(scores.std(ddof=1))})
    return results


def prune_tables(
    folder: Path, dataset: str, drifts: Sequence[float], setting: Setting
) -> tuple[list[dict[str, Any]], str]:
    """Simulate prunings on NAS-Bench-201 and in artificial worlds of 8 operations and 14 edges.

    Args:
        folder: Folder of both tables: accuracies after 12 epochs drive the search, those after 200
            score.
        dataset: Data set of the tables.
        drifts: Distances that a share of beta moves per epoch.
        setting: Number and length of the searches.

    Returns:
        The results of :func:`simulate`, and their means as a table.

    Raises:
        TableError: If a table is missing or damaged.
    """
    names = ('nb201_12epoch_accs.csv', 'nats_bench_tss_200ep.csv')
    tables = [
        NASBench201Table.load(find(folder, {n: NASBench201Table.sources[n]}, 'table'))
        for n in names
    ]
    drive, score = (accuracy_grid(table, dataset)[1] for table in tables)
    worlds = {
        'NAS-Bench-201': table_world(drive, score),
        'made': made_world(setting.seeds, 14, 8, np.random.default_rng(0)),
    }
    results = simulate(worlds, drifts, setting)
    mean = f'mean of all cells {score.mean():.2f}, best {score.max():.2f} ({tables[1].name})'
    return results, f'{mean}\n{report(results)}'


def report(results: list[dict[str, Any]]) -> str:
    """Return a table of means with a row per reading and a column per world and drift."""
    columns = list(dict.fromkeys((r['world'], r['drift']) for r in results))
    found = {(r['reading'], (r['world'], r['drift'])): r['mean'] for r in results}
    rows = [
        [name, *(f'{found[name, column]:.2f}' for column in columns)]
        for name in dict.fromkeys(r['reading'] for r in results)
    ]
    return table(['compared with', *(f'{world}, {drift:g}' for world, drift in columns)], rows)
