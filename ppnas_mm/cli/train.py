"""Train a classifier, detector or segmentor; see --help."""

from __future__ import annotations

from ..engine.work_dir import start_run
from .arguments import add_run_arguments, add_train_arguments, new_parser


def main() -> None:
    """Parse the arguments and train."""
    from ..engine.run import load_run, set_genotype

    parser = new_parser(
        'Train a config of mmpretrain, mmdet or mmseg (by its default_scope); '
        'the work dir also gets result.json.',
        'python tools/train.py configs/classification/pp-resnet20_digits.py '
        '--genotype work_dirs/digits/genotype.json',
    )
    add_run_arguments(parser)
    add_train_arguments(parser)
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    parser.add_argument(
        '--init-from', metavar='FILE', help='weights to start from, .safetensors or .pth'
    )
    args = parser.parse_args()
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)
    start_run(config, args.resume)

    from ..engine.train import train
    from ..utils.tables import figure

    result = train(config, None if args.resume else args.init_from)
    for name, value in result['metrics'].items():
        print(f'{name}: {figure(value)}')
