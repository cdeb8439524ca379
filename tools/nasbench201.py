"""Look cells of NAS-Bench-201 up, and judge super-nets and searches by them; see --help."""

import argparse
from pathlib import Path

from ppnas_mm import cli


def new_parser() -> argparse.ArgumentParser:
    """Return the parser."""
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
    return parser


def main() -> None:
    """Parse the arguments; look a cell up, judge a super-net, follow a search."""
    parser = new_parser()
    args = parser.parse_args()
    if sum(given is not None for given in (args.genotype, args.super_net, args.record)) != 1:
        parser.error('give a genotype, or --super-net CONFIG CHECKPOINT, or --record FILE')
    if args.batches < 0:
        parser.error(f'--batches {args.batches}: expected 0 or more')

    from ppnas_mm.analysis.nasbench201_reports import follow, judge, look_up
    from ppnas_mm.engine.run import load_run
    from ppnas_mm.tables import NASBench201Table

    table = NASBench201Table.load(Path(args.table))
    if args.genotype:
        print(look_up(table, args.genotype, args.dataset))
    elif args.record:
        print(follow(table, args.record, args.dataset))
    else:
        args.config, checkpoint = args.super_net
        given = (args.network, args.cells, args.batches, args.seed, args.dataset)
        for line in judge(table, load_run(args), args.config, checkpoint, *given):
            print(line)


if __name__ == '__main__':
    cli.run_tool(main)
