"""How well super-nets rank architectures, before and after shrinking and expanding; see --help."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from ppnas_mm import cli


def parser() -> ArgumentParser:
    """Return the parser of the commands."""
    from mmengine.config import DictAction

    top = cli.new_parser(
        "Kendall's tau of super-nets: SPOS, the same with a shrunk space, and expanded as well.",
        'python tools/rank_study.py cells configs/classification/nasbench201_digits.py \\\n'
        '    --search configs/search/senas_nasbench201-digits.py --record search.json \\\n'
        '    --out docs/tables/digits_cells.json\n'
        '  python tools/rank_study.py study configs/search/senas_nasbench201-digits.py \\\n'
        '    --truth docs/tables/digits_cells.json --seeds 5\n'
        '  python tools/rank_study.py models configs/search/senas_imagenet_*m.py\n'
        '  python tools/rank_study.py table configs/classification/pp-resnet20_digits.py \\\n'
        '    --search configs/search/ppnas_digits.py --constrained 20 --free 20 --out table.json\n'
        '  python tools/rank_study.py searches table.json configs/search/ppnas_digits.py \\\n'
        '    work_dirs/ppnas_digits',
    )
    commands = top.add_subparsers(dest='command', required=True)
    cells = _add_cells(commands)
    ranks = commands.add_parser('study', help='train super-nets and compare their rankings')
    ranks.add_argument('config', help='config of a SENAS search')
    source = ranks.add_mutually_exclusive_group(required=True)
    source.add_argument('--truth', help='table written by the command cells')
    source.add_argument('--table', help='NAS-Bench-201 table, or its folder')
    ranks.add_argument('--dataset', default='cifar10', help='data set of the NAS-Bench-201 table')
    ranks.add_argument('--threshold', type=int, default=50, help='threshold T of the expansion')
    ranks.add_argument('--seed', type=int, default=0, help='seed of the draw of architectures')
    drawn, table = _add_models(commands), _add_table(commands)
    for command in (cells, ranks):
        command.add_argument('--cells', type=int, default=30, help='number of architectures')
        command.add_argument('--seeds', type=int, default=5, help='number of seeds')
        command.add_argument(
            '--work-dir', default='work_dirs/ranking', help='folder of the results'
        )
    found = _add_searches(commands)
    for command in (cells, ranks, drawn, table, found):
        command.add_argument(
            '--cfg-options',
            nargs='+',
            action=DictAction,
            default={},
            metavar='KEY=VALUE',
            help='override entries of the config, e.g. train_cfg.max_epochs=2',
        )
    return top


def _add_cells(commands: Any) -> ArgumentParser:
    """Add the command that trains cells."""
    cells = commands.add_parser('cells', help='train architectures from scratch, as the truth')
    cells.add_argument('config', help='config that trains one architecture')
    cells.add_argument('--search', required=True, help='config of the search with the super-net')
    space = cells.add_mutually_exclusive_group(required=True)
    space.add_argument('--record', help='search.json with the shrunk space to draw from')
    space.add_argument(
        '--random-drops',
        type=int,
        nargs='+',
        metavar='N',
        help='drop this many operations at random in each stage',
    )
    cells.add_argument('--seed', type=int, default=0, help='random seed')
    cells.add_argument('--out', required=True, help='table to write (JSON)')
    return cells


def _add_models(commands: Any) -> ArgumentParser:
    """Add the command that counts models."""
    drawn = commands.add_parser(
        'models', help='count the models that operations would be scored on'
    )
    drawn.add_argument('configs', nargs='+', help='configs of SENAS searches')
    drawn.add_argument('--seed', type=int, default=0, help='seed of the draw')
    return drawn


def _add_searches(commands: Any) -> ArgumentParser:
    """Add the command that compares searches with a table."""
    found = commands.add_parser('searches', help='what a table says of finished searches')
    found.add_argument('table', help='table written by the command table')
    found.add_argument('config', help='config of the searches')
    found.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='their work dirs')
    return found


def _add_table(commands: Any) -> ArgumentParser:
    """Add the command that trains a small benchmark."""
    table = commands.add_parser('table', help='train architectures from scratch, as a benchmark')
    table.add_argument('config', help='config that trains one architecture')
    table.add_argument('--search', required=True, help='config of a search in the space')
    add = table.add_argument
    add('--constrained', type=int, default=0, help='number of random architectures')
    add('--free', type=int, default=0, help='number of fully random ones')
    add('--named', nargs='*', default=[], metavar='GENOTYPE', help='published names or files')
    add('--seeds', type=int, default=2, help='trainings of each')
    add('--seed', type=int, default=0, help='random seed of the draws')
    add(
        '--out',
        required=True,
        help='table to write (JSON), with a picture beside it; a stopped one goes on',
    )
    add('--work-dir', default='work_dirs/ranking', help='folder of the trainings')
    return table


def main() -> None:
    """Parse the arguments and run one of the commands."""
    top = parser()
    args = top.parse_args()
    if args.command in ('cells', 'study') and (args.cells < 2 or args.seeds < 1):
        top.error(f'--cells {args.cells} --seeds {args.seeds}: expected 2 or more, and 1 or more')

    from ppnas_mm.analysis import ranking, trained_table

    options = args.cfg_options
    if args.command == 'models':
        print(ranking.scored_models(args.configs, args.seed, options))
        return
    if args.command == 'table':
        given = (args.search, args.constrained, args.free, args.named, args.seed)
        found = trained_table.candidates(*given)
        out = Path(args.out), Path(args.work_dir)
        made = trained_table.train_table(args.config, found, args.seeds, *out, options)
        trained_table.draw_groups(made, out[0].with_suffix('.svg'))
        print(trained_table.report(made))
        return
    if args.command == 'searches':
        folders = list(map(Path, args.work_dirs))
        print(trained_table.searches(Path(args.table), args.config, folders, options))
        return
    shared = (Path(args.work_dir), args.cells, args.seeds, args.seed)
    if args.command == 'cells':
        drops = args.random_drops or args.record
        ranking.train_cells(
            args.config, args.search, Path(args.out), drops, *shared, options=options
        )
        return
    truth = ranking.Truth(args.truth, args.table, args.dataset)
    print(ranking.study(args.config, truth, *shared, args.threshold, options))


if __name__ == '__main__':
    cli.run_tool(main)
