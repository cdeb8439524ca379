"""Look cells of NAS-Bench-201 up, and judge super-nets and searches by them; see --help."""

import argparse
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from ppnas_mm import cli
from ppnas_mm.utils.files import read_json


def look_up(args: argparse.Namespace, table: Any) -> None:
    """Print what the table says of a cell."""
    from ppnas_mm import Genotype
    from ppnas_mm.analysis.nasbench201 import arch_string
    from ppnas_mm.utils.tables import table as format_table

    genotype = Genotype.load(args.genotype)
    print(arch_string(genotype))
    rows = []
    for name in table.datasets if args.dataset is None else [table.dataset(args.dataset)]:
        optimum, accuracy = table.optimum(name), table.accuracy(genotype, name)
        numbers = [f'{v:.2f}' for v in (accuracy, optimum, table.regret(genotype, name))]
        rows.append([name, numbers[0], f'{table.rank(genotype, name):,}', *numbers[1:]])
    header = ['data set', 'accuracy', f'rank of {len(table):,}', 'optimum', 'distance']
    print(format_table(header, rows))


def judge(args: argparse.Namespace, table: Any) -> None:
    """Score random cells with the super-net's weights; print Kendall's tau to the table."""
    from ppnas_mm.engine.run import load_run

    args.config, checkpoint = args.super_net
    dataset = table.dataset(args.dataset or 'cifar10-test')
    config = load_run(args)

    from mmengine.runner import Runner

    from ppnas_mm.algorithms import SearchAlgorithm
    from ppnas_mm.analysis.nasbench201 import arch_string, draw_cells, kendall_tau
    from ppnas_mm.config.keys import ConfigError
    from ppnas_mm.engine.seed import mix_seed, seed_everything, set_epoch
    from ppnas_mm.weights.checkpoint import load_weights

    runner = Runner.from_cfg(config)
    algorithm: Any = runner.model
    if not isinstance(algorithm, SearchAlgorithm) or algorithm.super_net.space != 'nasbench201':
        raise ConfigError(f'{args.config}: expected the config of a search in space nasbench201')
    if runner.val_loop is None:
        raise ConfigError(f'{args.config} has no val_dataloader')
    load_weights(algorithm, checkpoint)
    cells = draw_cells(table, algorithm, args.cells, args.seed)
    loader, loop = runner.train_dataloader, runner.val_loop
    set_epoch(loader, runner.seed, 0, 0)
    seed_everything(mix_seed(runner.seed, 0, 0))
    batches = list(islice(iter(loader), args.batches))  # the same for all cells
    found: dict[str, list[float]] = {name: [] for name in args.network}
    metrics, truth = {}, []
    for i, cell in enumerate(cells, 1):
        for name in args.network:
            metrics[name], score = score_of(algorithm, cell, batches, loop, name)
            found[name].append(score)
        truth.append(table.accuracy(cell, dataset))
        words = ' '.join(f'{scores[-1]:.2f}' for scores in found.values())
        print(f'[{i}/{len(cells)}] {arch_string(cell)} {words} trained {truth[-1]:.2f}')
    for name, scores in found.items():
        best = cells[max(range(len(cells)), key=scores.__getitem__)]
        print(
            f"Kendall's tau of {metrics[name]} with {checkpoint} ({name} network) to {dataset} of "
            f'{table.name}: '
            f'{kendall_tau(scores, truth):.3f} ({len(cells)} cells, seed {args.seed}, batch norms '
            f'recalibrated on {len(batches)} batches)\nbest by the super-net: {arch_string(best)}, '
            f'rank {table.rank(best, dataset):,} of {len(table):,}'
        )
    for one, two in combinations(found, 2):
        tau = kendall_tau(found[one], found[two])
        print(f"Kendall's tau between {one} and {two}: {tau:.3f}")


def score_of(
    algorithm: Any, cell: Any, batches: list, loop: Any, network: str
) -> tuple[str, float]:
    """Return what a cell is scored by, and its score."""
    from ppnas_mm.analysis.nasbench201 import score_by_alpha, score_with_super_net

    if network == 'alpha':
        return 'log-probability', score_by_alpha(algorithm, cell)
    given = (algorithm, cell, batches, loop.dataloader, loop.evaluator, network)
    return next(iter(score_with_super_net(*given).items()))


def follow(args: argparse.Namespace, table: Any) -> None:
    """Print how a search ranked the operations, in about ten of its epochs."""
    import numpy as np

    from ppnas_mm.analysis.nasbench201 import (
        RANKED,
        TableError,
        accuracies_by_epoch,
        rank_correlations,
    )
    from ppnas_mm.utils.tables import table as format_table

    try:
        record = read_json(args.record)
        epochs = len(record['epochs'])
        if not epochs:
            raise ValueError('no epochs')
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TableError(f'{args.record}: no record of a search: {error!r:.200}') from None
    dataset = table.dataset(args.dataset or 'cifar10-test')
    found = rank_correlations(record, table, dataset)
    accuracies = accuracies_by_epoch(record, table, dataset)
    picked = sorted({max(0, epochs * n // 10 - 1) for n in range(1, 11)})
    rows = [found[i] for i in picked]
    columns = [key for key in RANKED if any(key in row for row in found)]
    cells = [
        [
            str(row['epoch']),
            *(f'{row[key]:.2f}' if key in row else '-' for key in columns),
            '-' if np.isnan(accuracies[i]) else f'{accuracies[i]:.2f}',
        ]
        for i, row in zip(picked, rows, strict=True)
    ]
    names = {'architecture': 'beta', 'accuracy_share': 'S', 'importance': 'I', 'live': 'Live'}
    print(f"Kendall's tau of the operations left on an edge to {dataset} of {table.name}")
    print('accuracy: of the cell of the strongest operations, there')
    print(format_table(['epoch', *(names[key] for key in columns), 'accuracy'], cells))


def main() -> None:
    """Parse the arguments, read the table; look a cell up, judge a super-net, follow a search."""
    from mmengine.config import DictAction

    parser = cli.new_parser(
        'Look up a cell in NAS-Bench-201, or compare the table with how a super-net ranks cells or '
        'how a search ranked operations.',
        'python tools/nasbench201.py work_dirs/nb201/genotype.json --table data/nasbench201\n'
        '  python tools/nasbench201.py --super-net configs/search/NAME.py '
        'work_dirs/NAME/epoch_50.pth --cells 100\n'
        '  python tools/nasbench201.py --record work_dirs/eoinas_nasbench201/search.json',
    )
    parser.add_argument('genotype', nargs='?', help='JSON file of a cell')
    parser.add_argument(
        '--table', default='data/nasbench201', help='CSV file (or .gz) or its folder'
    )
    parser.add_argument('--dataset', help='e.g. cifar10, cifar100-val; default: all, or cifar10')
    parser.add_argument(
        '--super-net',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='config and weights of a search',
    )
    parser.add_argument('--record', metavar='FILE', help='search.json of a search')
    parser.add_argument(
        '--network',
        nargs='+',
        choices=['search', 'inherited', 'alpha'],
        default=['search'],
        help='how cells are scored: by a network of the search (inherited: for CDARTS the '
        'evaluation network) or by alpha; with several, also their correlation',
    )
    parser.add_argument('--cells', type=int, default=100, help='number of random cells')
    parser.add_argument('--seed', type=int, default=0, help='random seed of cells and batches')
    parser.add_argument(
        '--batches',
        type=int,
        default=20,
        help='training batches for the batch-norm statistics of each cell',
    )
    parser.add_argument('--work-dir', help='folder of the log; default work_dirs/<config name>')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
    )
    parser.set_defaults(launcher='none', local_rank=0)
    args = parser.parse_args()
    if sum(given is not None for given in (args.genotype, args.super_net, args.record)) != 1:
        parser.error('give a genotype, or --super-net CONFIG CHECKPOINT, or --record FILE')
    if args.batches < 0:
        parser.error(f'--batches {args.batches}: expected 0 or more')

    from ppnas_mm.analysis.nasbench201 import Table

    table = Table.load(Path(args.table))
    run = judge if args.super_net else follow if args.record else look_up
    run(args, table)


if __name__ == '__main__':
    cli.run_tool(main)
