"""How well the scores of SE-NAS tell operations apart on NAS-Bench-201; see --help."""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from ppnas_mm import cli


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
    args: argparse.Namespace,
    seed: int,
) -> list[dict[str, list[int]]]:
    """Return the operations left after each stage of one simulated shrinking.

    Args:
        space: The operations of each edge.
        values: Accuracies, one axis for each edge.
        kind: Kind of the score, or ``'random'``.
        noise: Standard deviation of what is added to an accuracy.
        args: Samples per operation, stages and drops.
        seed: Random seed.
    """
    from ppnas_mm.algorithms.one_shot.operator_scores import (
        operator_scores,
        selection_importance,
        weakest,
    )
    from ppnas_mm.algorithms.one_shot.scored_models import stratified_models

    rng = np.random.default_rng(seed)
    alive, stages = {name: list(ops) for name, ops in space.items()}, []
    for _ in range(args.stages):
        models = stratified_models(alive, args.samples, rng)
        seen = values[tuple(zip(*(model.values() for model in models), strict=True))]
        seen = seen + rng.normal(0, noise, len(models))
        importance = selection_importance(models, seen.tolist(), alive)
        scores = operator_scores(importance, 'si' if kind == 'random' else kind)
        if kind == 'random':
            scores = {spot: float(rng.random()) for spot in scores}
        for name, op in weakest(scores, args.drops, alive, rng):
            alive[name].remove(op)
        stages.append({name: list(ops) for name, ops in alive.items()})
    return stages


def simulate(
    space: dict[str, list[int]], values: np.ndarray, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return means over the seeds for each noise and score: what is kept, best and mean left."""
    from ppnas_mm.algorithms.one_shot.operator_scores import KINDS

    top = true_best(space, values, max(1, sum(map(len, space.values())) - args.drops))
    results = []
    for noise, kind in itertools.product(args.noise, [*KINDS, 'random']):
        rows = []
        for seed in range(args.seeds):
            stages = shrink(space, values, kind, noise * float(values.std()), args, seed)
            kept = {(name, op) for name, ops in stages[0].items() for op in ops}
            left = values[np.ix_(*stages[-1].values())]
            rows.append([len(kept & top), left.max(), left.mean()])
        means = dict(zip(('kept', 'best', 'mean'), np.mean(rows, 0).tolist(), strict=True))
        deviation = float(np.std([kept for kept, *_ in rows]))
        about = {'noise': noise, 'score': kind, 'top': len(top)}
        results.append({**about, **means, 'kept_std': deviation})
    return results


def main() -> None:
    """Parse the arguments, read the table, simulate, print and write."""
    parser = cli.new_parser(
        'Simulate the shrinking of SE-NAS on the table of NAS-Bench-201. The accuracy by the '
        'super-net is that of the table plus noise. Compares the operations that each score keeps '
        'with the best ones by the mean true accuracy of the models that contain them.',
        'python tools/shrink_simulation.py --table data/nasbench201 --json shrink.json',
    )
    parser.add_argument(
        '--table', default='data/nasbench201', help='CSV file (or .gz) or its folder'
    )
    parser.add_argument('--dataset', default='cifar10', help='e.g. cifar100; default: cifar10')
    parser.add_argument(
        '--noise',
        nargs='+',
        type=float,
        default=[0.5, 1.5],
        help="standard deviation of the noise, in units of the table's; default: 0.5 1.5",
    )
    for name, default, text in (
        ('samples', 200, 'models for each operation'),
        ('stages', 2, 'number of shrinkings'),
        ('drops', 10, 'operations dropped in each'),
        ('seeds', 20, 'number of random seeds'),
    ):
        parser.add_argument(
            f'--{name}', type=int, default=default, help=f'{text}; default: {default}'
        )
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the numbers to FILE')
    args = parser.parse_args()
    for name in ('samples', 'stages', 'drops', 'seeds'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} {getattr(args, name)}: expected 1 or more')
    if not all(0 <= noise < np.inf for noise in args.noise):
        parser.error(f'--noise {args.noise}: expected finite numbers, 0 or more')

    from ppnas_mm.analysis.nasbench201 import Table, accuracy_grid
    from ppnas_mm.utils.files import write_atomic
    from ppnas_mm.utils.tables import table as format_table

    table = Table.load(args.table)
    results = simulate(*accuracy_grid(table, args.dataset), args)
    kept = f'true top {results[0]["top"]} kept'
    keys = ('kept', 'kept_std', 'best', 'mean')
    rows = [[r['score'], f'{r["noise"]:g}', *(f'{r[k]:.2f}' for k in keys)] for r in results]
    print(format_table(['score', 'noise', kept, 'deviation', 'best left', 'mean left'], rows))
    if args.json:
        write_atomic(args.json, (json.dumps(results, indent=2) + '\n').encode())


if __name__ == '__main__':
    cli.run_tool(main)
