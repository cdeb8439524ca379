"""Which operations EoiNAS prunes where the accuracy of every cell is known; see --help.

A reconstruction of the closed loop of a search, with the package's classes for indicator, chain and
pruning.  Only the network is replaced: a step of alpha sees the accuracy of the cell drawn, on a
batch, and beta follows a simple rule.

- In each step of an epoch every edge draws an operation by Gumbel-max from beta, once for the
  weights (E) and once for alpha (A).
- After an epoch the share beta of an operation moves by ``drift * z`` and stays above .01; then
  shares are scaled to the sum 1.  z is A minus the mean over the edge's living operations, scaled
  so that the largest is 1 (as Adam's steps, which do not depend on the size of the gradient).  With
  drift 0 beta stays uniform.
- The schedule is that of the package: an interval of warm-up, then a pruning an interval.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ppnas_mm import cli

if TYPE_CHECKING:
    import torch

    from ppnas_mm.algorithms.eoinas.slimming import Plan

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
"""Names and what they ask of the chain, the indicator and the plan."""
LEAST = 0.01  # no softmax gives an operation up


class World(NamedTuple):
    """Independent searches in one space.

    Attributes:
        edges, ops: Size of the space.
        accuracy: Maps cells, ``(steps, searches, edges)``, to what a step sees, shares.
        score: Maps cells, ``(searches, edges)``, to what they are worth.
    """

    edges: int
    ops: int
    accuracy: Callable[[np.ndarray], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]


def table_world(drive: np.ndarray, values: np.ndarray) -> World:
    """Return a space whose accuracies are tables with an axis for each edge, in per cent."""

    def look_up(table: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return table[tuple(np.moveaxis(cells, -1, 0))]

    return World(
        drive.ndim,
        drive.shape[0],
        lambda cells: look_up(drive, cells) / 100,
        lambda cells: look_up(values, cells),
    )


def made_world(searches: int, edges: int, ops: int, rng: np.random.Generator) -> World:
    """Return a space of its own for each search: every operation has a quality on every edge.

    Qualities are uniform in [0, 1]; the accuracy is .3 + .6 times their mean.  A cell scores 0 if
    it is as good as the mean of all and 1 if it is the best.
    """
    quality = rng.random((searches, edges, ops))
    rows = np.arange(searches)[:, None], np.arange(edges)
    mean, best = quality.mean((1, 2)), quality.max(2).mean(1)

    def found(cells: np.ndarray) -> np.ndarray:
        return quality[(*rows, cells)].mean(-1)

    return World(
        edges,
        ops,
        lambda cells: 0.3 + 0.6 * found(cells),
        lambda cells: (found(cells) - mean) / (best - mean),
    )


class Edges:
    """What :class:`Slimming` asks of a super-net, of edges whose operations may all be kept.

    Args:
        alive: Mask ``(edges, operations)``, changed by prunings.
    """

    def __init__(self, alive: torch.Tensor) -> None:
        self.alive = alive
        self.names = [str(row) for row in range(len(alive))]

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        """Return what is left on an edge."""
        return tuple(self.alive[int(name)].nonzero().flatten().tolist())

    keepable = alive_candidates

    def by_name(self, table: torch.Tensor) -> dict[str, list[float]]:
        """Return the rows of a table by the names of the edges."""
        return dict(zip(self.names, table.tolist(), strict=True))


class Search:
    """Several independent searches in a world, by one reading of the paper.

    Args:
        world: The space.
        reading: A value of :data:`READINGS`.
        args: Arguments of the tool.
        seed: Random seed of all draws.
    """

    def __init__(
        self, world: World, reading: dict[str, Any], args: argparse.Namespace, seed: int
    ) -> None:
        import torch

        from ppnas_mm.algorithms.eoinas.importance import OperationImportance
        from ppnas_mm.algorithms.eoinas.markov import LiveDie
        from ppnas_mm.algorithms.eoinas.slimming import Slimming

        size = args.seeds * world.edges, world.ops
        self.world, self.args = world, args
        self.rng = np.random.default_rng(seed)
        self.importance = OperationImportance(*size, **reading['indicator'])
        self.chain, self.slimming = LiveDie(*size, **reading['chain']), Slimming()
        self.epochs = args.interval * world.ops
        self.plan: Plan = self.slimming.plan(self.epochs, world.ops - 1, None, reading['step'])
        self.alpha = torch.zeros(size, dtype=torch.double)
        self.edges = Edges(torch.ones(size, dtype=torch.bool))
        self.prunings = 0

    def beta(self) -> torch.Tensor:
        """Return the softmax of alpha over what is left."""
        return self.alpha.masked_fill(~self.edges.alive, -float('inf')).softmax(1)

    def draw(self) -> np.ndarray:
        """Return the operations of an epoch's steps, ``(steps, edges of all searches)``."""
        logits = self.beta().log().numpy()
        noise = self.rng.gumbel(size=(self.args.steps, *logits.shape))
        return (logits + noise).argmax(-1)

    def train(self) -> None:
        """Do the steps of an epoch."""
        import torch

        shape = self.args.steps, self.args.seeds, self.world.edges
        drawn, seen = self.draw(), self.draw()
        accuracy = self.world.accuracy(seen.reshape(shape))
        batch = self.rng.binomial(self.args.batch, accuracy) / self.args.batch
        shares = torch.tensor(batch).repeat_interleave(self.world.edges, 1)
        self.importance.start_epoch()
        for weights, arch, share in zip(*map(torch.tensor, (drawn, seen)), shares, strict=True):
            self.importance.count_training(weights)
            self.importance.count_accuracy(arch, share)
        self.importance.finish_epoch()

    def move_beta(self, drift: float) -> None:
        """Let beta follow A."""
        import torch

        known = self.edges.alive & (self.importance.accuracy >= 0)
        a = torch.where(known, self.importance.accuracy, 0.0)
        centred = torch.where(known, a - a.sum(1, keepdim=True) / known.sum(1, keepdim=True), 0.0)
        z = centred / centred.abs().amax(1, keepdim=True).clamp(min=1e-12)
        self.alpha = (self.beta() + drift * z).clamp(min=LEAST).log()

    def prune(self, indicator: torch.Tensor) -> None:
        """Let each edge lose an operation."""
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
        return self.world.score(cells.reshape(self.args.seeds, self.world.edges))


def simulate(worlds: dict[str, World], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return mean and standard deviation over the seeds of each reading, world and drift."""
    results = []
    for name, (world, space), drift in itertools.product(READINGS, worlds.items(), args.drift):
        scores = Search(space, READINGS[name], args, 1).run(drift)
        about = {'reading': name, 'world': world, 'drift': drift}
        results.append({**about, 'mean': float(scores.mean()), 'std': float(scores.std(ddof=1))})
    return results


def print_table(results: list[dict[str, Any]]) -> None:
    """Print means, a row for each reading, a column for each world and drift."""
    from ppnas_mm.utils.tables import table

    columns = list(dict.fromkeys((r['world'], r['drift']) for r in results))
    found = {(r['reading'], (r['world'], r['drift'])): r['mean'] for r in results}
    rows = [
        [name, *(f'{found[name, column]:.2f}' for column in columns)]
        for name in dict.fromkeys(r['reading'] for r in results)
    ]
    print(table(['compared with', *(f'{world}, {drift:g}' for world, drift in columns)], rows))


def main() -> None:
    """Parse the arguments, read the tables, simulate, print and write."""
    parser = cli.new_parser(
        'Simulate the prunings of EoiNAS with known accuracies: on NAS-Bench-201 (accuracies after '
        '12 epochs drive the search, those after 200 epochs score it) and on made-up tables of 8 '
        'operations and 14 edges (0: the mean cell, 1: the best). Compares each reading of "as the '
        'indicator increases" with pruning without the chain.',
        'python tools/prune_simulation.py --table data/nasbench201 --json prune.json',
    )
    parser.add_argument('--table', default='data/nasbench201', help='folder of both tables')
    parser.add_argument('--dataset', default='cifar10', help='e.g. cifar100; default: cifar10')
    parser.add_argument(
        '--drift',
        nargs='+',
        type=float,
        default=[0.0, 0.003, 0.008],
        help='how far a share moves in an epoch; default: 0 0.003 0.008',
    )
    for name, default, text in (
        ('seeds', 40, 'number of independent searches'),
        ('interval', 20, 'epochs between prunings'),
        ('steps', 100, 'steps in an epoch'),
        ('batch', 64, 'images in a step'),
    ):
        parser.add_argument(
            f'--{name}', type=int, default=default, help=f'{text}; default: {default}'
        )
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the numbers to FILE')
    args = parser.parse_args()
    for name in ('seeds', 'interval', 'steps', 'batch'):
        if getattr(args, name) < (least := 2 if name == 'seeds' else 1):
            parser.error(f'--{name} {getattr(args, name)}: expected {least} or more')
    if not all(0 <= drift < 1 for drift in args.drift):
        parser.error(f'--drift {args.drift}: expected numbers from 0 to 1')

    from ppnas_mm.analysis.nasbench201 import Table, accuracy_grid
    from ppnas_mm.utils.files import write_atomic

    tables = [Table.load(path) for path in table_files(Path(args.table))]
    drive, score = (accuracy_grid(table, args.dataset)[1] for table in tables)
    print(f'mean of all cells {score.mean():.2f}, best {score.max():.2f} ({tables[1].name})')
    worlds = {
        'NAS-Bench-201': table_world(drive, score),
        'made': made_world(args.seeds, 14, 8, np.random.default_rng(0)),
    }
    results = simulate(worlds, args)
    print_table(results)
    if args.json:
        write_atomic(args.json, (json.dumps(results, indent=2) + '\n').encode())


def table_files(folder: Path) -> list[Path]:
    """Return the files of the tables after 12 and after 200 epochs.

    Raises:
        TableError: If one is missing.
    """
    from ppnas_mm.analysis.nasbench201 import TableError

    found = []
    for stem in ('nb201_12epoch_accs.csv', 'nats_bench_tss_200ep.csv'):
        files = [folder / f'{stem}{end}' for end in ('', '.gz')]
        known = [file for file in files if file.is_file()]
        if not known:
            raise TableError(f'no {stem}[.gz] in {folder}; --table names the folder of both tables')
        found.append(known[0])
    return found


if __name__ == '__main__':
    cli.run_tool(main)
