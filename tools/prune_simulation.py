"""Which operations EoiNAS prunes where the accuracy of every cell is known; see --help."""

import json
from pathlib import Path

from ppnas_mm import cli


def main() -> None:
    """Parse the arguments, simulate, print and write."""
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

    from ppnas_mm.analysis.pruning import Setting, prune_tables
    from ppnas_mm.utils.files import write_atomic

    setting = Setting(args.seeds, args.interval, args.steps, args.batch)
    results, text = prune_tables(Path(args.table), args.dataset, args.drift, setting)
    print(text)
    if args.json:
        write_atomic(args.json, (json.dumps(results, indent=2) + '\n').encode())


if __name__ == '__main__':
    cli.run_tool(main)
