"""Write what follows from the index of the model zoo and from the configs; see --help."""

from pathlib import Path

from ppnas_mm import cli

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Parse the arguments, write or compare."""
    parser = cli.new_parser(
        'Write from model_zoo/index.json: the table of model_zoo/README.md, '
        'model_zoo/metafile.yml, the Weights of configs/*/metafile.yml, and model-index.yml; with '
        '--configs also configs/*/README.md, from comments and metafiles.',
        'python tools/zoo.py --configs --check',
    )
    parser.add_argument('--configs', action='store_true', help='also write configs/*/README.md')
    parser.add_argument(
        '--check', action='store_true', help='write nothing; exit 1 if a file differs'
    )
    parser.add_argument(
        '--root', type=Path, default=ROOT, help='folder of the repository; default: this one'
    )
    args = parser.parse_args()

    from ppnas_mm.utils.files import write_atomic
    from ppnas_mm.zoo import config_pages, pages

    wanted, command = pages.pages(args.root), 'python tools/zoo.py'
    if args.configs:
        wanted, command = wanted | config_pages.pages(args.root), f'{command} --configs'
    stale = [
        (path, text)
        for path, text in wanted.items()
        if not path.exists() or path.read_text() != text
    ]
    for path, text in stale:
        print(f'{path}: ' + (f'differs; run: {command}' if args.check else 'written'))
        if not args.check:
            write_atomic(path, text.encode())
    return int(args.check and bool(stale))


if __name__ == '__main__':
    cli.run_tool(main)
