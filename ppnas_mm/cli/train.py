"""Train a classifier, detector or segmentor; see --help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.work_dir import start_run
from .arguments import add_run_arguments, add_train_arguments, new_parser


def replacing(name: str) -> Callable[[Any], Any]:
    """Return what puts a backbone of the model zoo into a config.

    Raises:
        ZooError: If there is no such backbone.
    """
    from ..engine.swap_backbone import with_backbone
    from ..weights.index import index_path
    from ..zoo.backbone import find
    from ..zoo.model import entry_config

    item = find(name, None)
    backbone = dict(entry_config(item, index_path()).model.backbone)
    backbone['init_cfg'] = dict(
        type='Pretrained', checkpoint=f'ppnas://{item.name}', prefix='backbone.'
    )
    return lambda config: with_backbone(config, backbone, item.normalisation)


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
    parser.add_argument(
        '--backbone',
        metavar='NAME',
        help='replace the backbone by one of the model zoo with its weights, such as pp_resnet50; '
        'channels of necks and heads follow',
    )
    args = parser.parse_args()
    if args.backbone:
        args.change = replacing(args.backbone)
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)
    start_run(config, args.resume)

    from ..engine.train import train
    from ..utils.tables import figure

    result = train(config, None if args.resume else args.init_from)
    for name, value in result['metrics'].items():
        print(f'{name}: {figure(value)}')
