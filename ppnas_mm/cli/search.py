"""Search an architecture; see --help."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..config.shipped import home
from ..engine import best_of_seeds as seeds
from ..engine import model_options
from ..engine.work_dir import start_run
from .arguments import add_run_arguments, add_train_arguments, new_parser


def main() -> None:
    """Parse the arguments, run one search, or one for each of several seeds."""
    parser = new_parser(
        'Search an architecture. The work dir gets genotype.json, genotype.svg, '
        'derived.safetensors, config.py, search.json, search.svg (EoiNAS: also importance.svg) and '
        'report.html, which shows it all in a browser.',
        'python tools/search.py configs/search/ppnas_digits.py --work-dir work_dirs/digits\n'
        '  python tools/search.py --model MY_DETECTOR.py --space plugged',
    )
    add_run_arguments(parser, optional=True)
    add_train_arguments(parser)
    model_options.add_arguments(parser)
    parser.add_argument(
        '--retrain', metavar='CONFIG', help='afterwards train the result from scratch with CONFIG'
    )
    seeds.add_arguments(parser)
    args = parser.parse_args()
    model_options.settle(parser, args)
    seeds.check_arguments(parser, args)
    if args.seeds:
        seeds.search_seeds(args, home() / 'tools/search.py')
    else:
        search(args)


def search(args: Namespace) -> None:
    """Run the search, retrain if asked to, print the table."""
    from ..engine.run import load_run, require_arch, require_search, set_genotype

    config = load_run(args)
    require_search(config, args.config)
    if args.retrain:  # is read before the search, not after it
        again = {'config': args.retrain, 'cfg_options': seeds.shared_options(args), 'space': None}
        again['work_dir'] = str(Path(config.work_dir) / 'retrain')
        retrain = load_run(Namespace(**{**vars(args), **again}))
        require_arch(retrain, f'--retrain {args.retrain}')
    start_run(config, args.resume)

    from mmengine.dist import is_main_process

    from ..engine.network_config import next_steps
    from ..engine.runner import Runner
    from ..engine.search_hook import reported
    from ..engine.train import check_retraining, require_batches, train
    from ..utils.tables import search_table
    from ..visualize.report import write_report

    runner = Runner.from_cfg(config)
    if args.retrain:
        check_retraining(runner.model, retrain, args.retrain)
    require_batches(runner)
    with reported(runner):
        runner.train()
    if args.retrain:
        set_genotype(retrain, Path(config.work_dir) / 'genotype.json')
        start_run(retrain, args.resume)
        train(retrain)
        if is_main_process():
            write_report(config.work_dir)  # with the scores of the retraining
    if is_main_process():
        print(search_table(config.work_dir))
        print(next_steps(config.work_dir))
