"""Draw an architecture, or the course of a search, as SVG or PNG; write the report of a search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..genotype import Genotype, published
from ..utils.files import read_json
from ..visualize.genotype import draw_genotype, draw_search
from ..visualize.importance import draw_importance, draw_importance_table
from ..visualize.report import write_report
from ..visualize.stages import draw_growth, draw_stages
from ..visualize.titles import stage_notes, title_of_file
from .arguments import new_parser

PICTURES = {
    'course': draw_search,
    'importance': draw_importance,
    'importance-table': draw_importance_table,
    'stages': draw_stages,
    'growth': draw_growth,
}


def search_record(source: str) -> dict | None:
    """Return the content of ``source`` if it is the record of a search.

    Raises:
        DamagedFileError: If its checksum does not fit.
    """
    try:
        content = json.loads(Path(source).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # a published name, or a file whose fault Genotype.load tells
    return read_json(source) if isinstance(content, dict) and 'epochs' in content else None


def published_notes(name: str, space: str) -> dict[str, str]:
    """Return resolution and channels of the stages of a published chain in its own network."""
    networks = {'chain': 'ppnas_mm.ChainNet', 'mobile': 'ppnas_mm.MobileNASNet'}
    if name not in published() or space not in networks:
        return {}
    import torch

    from ..registry import MODELS

    with torch.device('meta'):
        return stage_notes(MODELS.build(dict(type=networks[space], arch=name)))


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and draw."""
    parser = new_parser(
        'Draw an architecture, or the course of a search from its search.json. Of a work dir, '
        'write report.html once more.',
        'python tools/visualize.py pp_resnet_imagenet --out pp_resnet_imagenet.svg\n'
        '  python tools/visualize.py work_dirs/digits/search.json --out search.png\n'
        '  python tools/visualize.py search.json --picture importance --out importance.svg\n'
        '  python tools/visualize.py work_dirs/digits  # its report.html',
    )
    parser.add_argument(
        'genotype', help='published name, genotype JSON file, search.json, or work dir'
    )
    parser.add_argument('--out', help='image to write, .svg or .png; needed unless for a work dir')
    parser.add_argument(
        '--title',
        help='title of an architecture; default: its name, or config, seed and score of its search',
    )
    parser.add_argument(
        '--picture',
        choices=PICTURES,
        default='course',
        help='which picture of a search; default: course',
    )
    args = parser.parse_args(argv)
    if Path(args.genotype).is_dir():
        if args.out:
            parser.error('the report stays in its work dir: leave --out away')
        print(write_report(args.genotype))
        return
    if not args.out:
        parser.error('--out FILE is needed, .svg or .png')
    record = search_record(args.genotype)
    if record is not None:
        PICTURES[args.picture](record, args.out)
    else:
        genotype = Genotype.load(args.genotype)
        title = args.title or title_of_file(genotype, args.genotype)
        draw_genotype(genotype, args.out, title, published_notes(args.genotype, genotype.space))
    print(args.out)
