"""Train a classifier, detector or segmentor; see --help."""

from ppnas_mm import cli
from ppnas_mm.engine.work_dir import start_run


def main() -> None:
    """Parse the arguments and train."""
    from ppnas_mm.engine.run import load_run, set_genotype

    parser = cli.new_parser(
        'Train a config of mmpretrain, mmdet or mmseg (by its default_scope); '
        'the work dir also gets result.json.',
        'python tools/train.py configs/classification/pp-resnet20_digits.py '
        '--genotype work_dirs/digits/genotype.json',
    )
    cli.add_run_arguments(parser)
    cli.add_train_arguments(parser)
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    parser.add_argument(
        '--init-from', metavar='FILE', help='weights to start from, .safetensors or .pth'
    )
    args = parser.parse_args()
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)
    start_run(config, args.resume)

    from ppnas_mm.engine.train import train
    from ppnas_mm.utils.tables import figure

    result = train(config, None if args.resume else args.init_from)
    for name, value in result['metrics'].items():
        print(f'{name}: {figure(value)}')


if __name__ == '__main__':
    cli.run_tool(main)
