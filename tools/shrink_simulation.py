"""How well the scores of SE-NAS tell operations apart on NAS-Bench-201; see --help."""

import json
import math
from pathlib import Path

from ppnas_mm import cli


def main() -> None:
    """Parse the arguments, simulate, print and write."""
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
    if not all(0 <= noise < math.inf for noise in args.noise):
        parser.error(f'--noise {args.noise}: expected finite numbers, 0 or more')

    from ppnas_mm.analysis.shrinking import Setting, shrink_table
    from ppnas_mm.utils.files import write_atomic

    setting = Setting(args.samples, args.stages, args.drops, args.seeds)
    results, text = shrink_table(args.table, args.dataset, args.noise, setting)
    print(text)
    if args.json:
        write_atomic(args.json, (json.dumps(results, indent=2) + '\n').encode())


if __name__ == '__main__':
    cli.run_tool(main)
