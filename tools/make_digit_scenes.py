"""Make the digit scenes; see --help."""

from ppnas_mm import cli


def main() -> None:
    """Parse the arguments and write the data set."""
    parser = cli.new_parser(
        'Compose real handwritten digits (scikit-learn) into scenes, as VOC, COCO and Cityscapes '
        'data sets; the same arguments give the same bytes.',
        'python tools/make_digit_scenes.py --out data/digit_scenes --train 400 --test 100 --seed 0',
    )
    parser.add_argument('--out', required=True, help='folder to write')
    parser.add_argument('--train', type=int, default=400, help='training scenes (default 400)')
    parser.add_argument('--test', type=int, default=100, help='test scenes (default 100)')
    parser.add_argument('--seed', type=int, default=0, help='seed (default 0)')
    parser.add_argument('--size', type=int, default=160, help='image size in pixels (default 160)')
    args = parser.parse_args()

    from ppnas_mm.datasets.digit_scenes import write_scenes

    write_scenes(args.out, {'train': args.train, 'test': args.test}, args.seed, args.size)
    print(f'{args.out}: {args.train} training and {args.test} test scenes')


if __name__ == '__main__':
    cli.run_tool(main)
