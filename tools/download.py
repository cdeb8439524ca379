"""Download weights of the model zoo; see --help."""

from pathlib import Path

from ppnas_mm import cli


def main() -> None:
    """Parse the arguments, list or download."""
    parser = cli.new_parser(
        'Download weights of the model zoo: with a progress bar, continued where it broke off, '
        'checked by SHA-256. A folder with all files can serve as PPNAS_CACHE or PPNAS_ZOO_MIRROR.',
        'python tools/download.py pp_resnet20.digits --out weights',
    )
    parser.add_argument('name', nargs='*', help='names of weights')
    parser.add_argument('--all', action='store_true', help='everything in the zoo')
    parser.add_argument('--list', action='store_true', help='list all names')
    parser.add_argument('--out', help='folder; default: the cache, ~/.cache/ppnas_mm')
    args = parser.parse_args()

    from ppnas_mm import zoo

    names = zoo.list() if args.all else tuple(args.name)
    if args.list:
        for name in names or zoo.list():
            item = zoo.entry(name)
            metric = item.metric
            print(
                f'{item.name}  {item.size / 1e6:.1f} MB  {metric["name"]} {metric["value"]:g} on '
                f'{metric["dataset"]}  {item.config}'
            )
        return
    if bool(args.name) == args.all:
        parser.error('give names or --all; --list prints all names')
    for item in [zoo.entry(name) for name in names]:  # a wrong name fails before any transfer
        print(zoo.fetch(item.name, Path(args.out) if args.out else zoo.cache_folder()))


if __name__ == '__main__':
    cli.run_tool(main)
