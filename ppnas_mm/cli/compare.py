"""Compare networks over several seeds; see --help."""

from __future__ import annotations

from pathlib import Path

from ..config.shipped import home
from .arguments import new_parser

CLASSIFICATION = 'configs/classification'


def main() -> None:
    """Parse the arguments and compare."""
    parser = new_parser(
        'Compare over several seeds: found, constrained random, Res2Net and ResNet networks of '
        'equal size on digits, or any --configs or --searches. Finished runs are kept, so you '
        'can repeat the command after a stop.',
        'python tools/compare.py --seeds 5 --work-dir work_dirs/compare_digits',
    )
    parser.add_argument('--seeds', type=int, default=5, help='number of seeds, counted from 0')
    parser.add_argument('--work-dir', default='work_dirs/compare_digits')
    parser.add_argument('--search', default='configs/search/ppnas_digits.py')
    parser.add_argument('--retrain', default=f'{CLASSIFICATION}/pp-resnet20_digits.py')
    parser.add_argument('--baselines', nargs='*', default=['res2net', 'resnet'])
    parser.add_argument('--configs', nargs='+', help='compare these training configs instead')
    parser.add_argument(
        '--searches', nargs='+', help='compare these searches instead, by --retrain'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='overrides for all --configs or --searches',
    )
    parser.add_argument(
        '--metric',
        nargs='+',
        default=[],
        help="one table for each: names, 'error/top1', or patterns such as 'coco/bbox_mAP*' (by "
        "size) and 'coco/*_precision' (each class, with val_evaluator.classwise=True); default: "
        'the usual one of the task',
    )
    args = parser.parse_args()

    from ..analysis.comparison import Comparison

    comparison = Comparison(
        home() / 'tools',
        Path(args.work_dir),
        args.seeds,
        args.search,
        args.retrain,
        {name: f'{CLASSIFICATION}/{name}20_digits.py' for name in args.baselines},
        args.configs or (),
        args.searches or (),
        args.cfg_options or (),
    )
    print(comparison.run(args.metric))
