"""Download weights of the model zoo; see --help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arguments import new_parser


def words(item: Any) -> str:
    """Return the line of an entry in a list: what it is, and whose."""
    from ..weights.published import Published
    from ..zoo.pages import result

    facts: tuple[str, ...]
    if isinstance(item, Published):
        facts = (result(item), item.config, item.url, item.licence, item.source)
    else:
        metric = item.metric
        number = f'{metric["name"]} {metric["value"]:g} on {metric["dataset"]}'
        facts = (f'{item.size / 1e6:.1f} MB', number, item.config, item.licence)
    return '  '.join((item.name, item.kind, *facts))


def verify(names: tuple[str, ...], data_root: str, options: dict[str, Any]) -> int:
    """Test entries on images of this machine; return 1 if one does not fit."""
    from .. import zoo
    from ..zoo import verify

    wrong = 0
    for item in [zoo.entry(name) for name in names]:
        found, images = verify.measure(item.name, data_root, options)
        print(verify.verdict(item, found, images))
        wrong += not verify.fits(item, found)
    return int(wrong > 0)


def main() -> int:
    """Parse the arguments; list, download or test."""
    from ..config.options import Options

    parser = new_parser(
        'Download weights of the model zoo: with a progress bar, continued where it broke off, '
        'checked by SHA-256. Weights that authors published are converted after the download. A '
        'folder with all files can serve as PPNAS_CACHE or PPNAS_ZOO_MIRROR.',
        'python tools/download.py pp_resnet20.digits --out weights',
    )
    parser.add_argument('name', nargs='*', help='names of weights')
    parser.add_argument('--all', action='store_true', help='everything in the zoo')
    parser.add_argument(
        '--list', action='store_true', help='list all names, made here or published by authors'
    )
    parser.add_argument('--out', help='folder; default: the cache, ~/.cache/ppnas_mm')
    parser.add_argument(
        '--verify',
        metavar='DATA_ROOT',
        help='test the weights on the test images of this folder, for ImageNet one with val/, and '
        'say whether they fit what is known of them; exit 1 if not',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Options,
        default={},
        metavar='KEY=VALUE',
        help='for --verify: override config entries, e.g. test_dataloader.num_workers=2',
    )
    args = parser.parse_args()

    from .. import zoo

    names = zoo.list() if args.all else tuple(args.name)
    if args.list:
        for name in names or zoo.list():
            print(words(zoo.entry(name)))
        return 0
    if bool(args.name) == args.all:
        parser.error('give names or --all; --list prints all names')
    if args.verify:
        return verify(names, args.verify, args.cfg_options)
    for item in [zoo.entry(name) for name in names]:  # a wrong name fails before any transfer
        print(zoo.fetch(item.name, Path(args.out) if args.out else zoo.cache_folder()))
    return 0
