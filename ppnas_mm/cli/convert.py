"""Convert weights from and to other code bases; see --help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from .arguments import new_parser

BACKBONES = {
    'darts': 'DARTSNet',
    'chain': 'ChainNet',
    'mobile': 'MobileNASNet',
    'nasbench201': 'NASBench201Net',
}
KINDS = {'safetensors': 'safetensors', 'pth': 'pth', 'keras-npz': 'npz'}  # others: plain tensors
SUFFIXES = {'.safetensors': 'safetensors', '.pth': 'pth', '.npz': 'keras-npz'}
EXAMPLE = """python tools/convert.py cifar10_model.pt darts_v2.safetensors \\
      --config configs/classification/darts-v2_cifar10.py
  python tools/convert.py 390.pth.tar cdarts_b.pth --arch cdarts_b
  python tools/convert.py mine.pth mine.pt --to darts --arch genotype.json \\
      --options num_cells=20 init_channels=36
  python tools/convert.py ppresnet-14c86ae2.zip pp_resnet50.safetensors \\
      --config configs/classification/pp-resnet50_8xb128_in1k.py"""


def parse() -> argparse.Namespace:
    """Parse the arguments."""
    from ..config.options import Options
    from ..convert import FORMATS

    parser = new_parser(
        'Convert weights from and to other code bases. Every tensor must be matched. Files are '
        'read as data; no code in them runs.',
        EXAMPLE,
    )
    own = ('safetensors', 'pth', 'state-dict')
    add = parser.add_argument
    add(
        'source',
        metavar='IN',
        help='.pth, .pt, .pth.tar, .safetensors, .npz, or a checkpoint of TensorFlow',
    )
    add('target', metavar='OUT', help='file to write')
    forms = ('auto', 'state-dict', *FORMATS)
    add(
        '--from', dest='form', choices=forms, default='auto', help='format of IN; default: detected'
    )
    add('--to', choices=(*own, *[f for f in FORMATS if f != 'ppnas']), help='default: by suffix')
    add('--config', help='config of the whole model')
    add('--backbone-only', action='store_true', help='convert the backbone of --config')
    add('--arch', help='genotype of the backbone, a name or file; default: the one stored in IN')
    settings = 'arguments of the backbone of --arch, or overrides of --config'
    add('--options', nargs='+', action=Options, default={}, metavar='KEY=VALUE', help=settings)
    add('--entry', help='key of the checkpoint that holds the tensors; default: detected')
    add('--prefix', help="prefix of the names, such as 'module.'; default: detected")
    add('--edges', help="order of DARTS edges: 'ascending', a Genotype(...) or its file")
    add('--allow-partial', action='store_true', help='accept missing and unexpected tensors')
    add('--compare', action='store_true', help='read OUT back and compare the outputs')
    add('--size', type=int, default=64, help='image size for --compare (default 64)')
    return parser.parse_args()


def build(args: argparse.Namespace, meta: dict[str, Any]) -> Any:
    """Build the network that the weights are for, always with the same initial values."""
    import torch

    from ..genotype import Genotype
    from ..registry import MODELS

    torch.manual_seed(0)
    if args.config:
        return build_config(args)
    arch = args.arch or meta.get('genotype')
    if not arch:
        raise ConfigError('no network: give --config CONFIG or --arch NAME_OR_FILE')
    genotype = Genotype.load(args.arch) if args.arch else Genotype.from_json(arch)
    small = 'PPResNet' if len(genotype.cells) == 4 else 'PPResNetCIFAR'
    name = BACKBONES.get(genotype.space, small)
    settings = dict(type=f'ppnas_mm.{name}', arch=genotype.to_dict(), **args.options)
    return MODELS.build(settings).eval()


def build_config(args: argparse.Namespace) -> Any:
    """Build the model of a config, or its backbone."""
    from ..config.load import load_config, require_library
    from ..config.model import build_model
    from ..engine.run import set_genotype

    config = load_config(args.config, args.options)
    require_library(config, args.config)
    if args.arch:
        set_genotype(config, args.arch)
    model = build_model(config).eval()
    if not args.backbone_only:
        return model
    if not hasattr(model, 'backbone'):
        raise ConfigError(f'--backbone-only: {type(model).__name__} has no backbone')
    return model.backbone


def outputs(model: Any, size: int) -> list[Any]:
    """Return what a network computes on two random images."""
    import torch

    from ..backbones.base import Backbone

    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        result = model(images) if isinstance(model, Backbone) else model(images, mode='tensor')
    while isinstance(result, (tuple, list)) and isinstance(result[0], (tuple, list)):
        result = [part for parts in result for part in parts]
    return list(result) if isinstance(result, (tuple, list)) else [result]


def compare(args: argparse.Namespace, model: Any, form: str, meta: dict[str, Any]) -> None:
    """Read OUT back into a fresh network; raise if its outputs differ."""
    from ..convert import FormatError, from_format, read_weights, written_edges

    again = build(args, meta)
    edges = written_edges(model, args.edges)
    state, _ = from_format(again, read_weights(args.target).state, form, '', edges)
    again.load_state_dict(state)
    pairs = zip(outputs(model, args.size), outputs(again, args.size), strict=True)
    worst = max(float((a - b).abs().max() / a.abs().max().clamp(min=1)) for a, b in pairs)
    print(f'outputs before and after reading {args.target} back differ by {worst:.1e} at most')
    if not worst <= 1e-5:
        raise FormatError(f'{args.target}: the round trip changes the outputs by {worst:.1e}')


def main() -> None:
    """Parse the arguments, convert, report."""
    args = parse()
    from ..convert import (
        FORMATS,
        detect,
        from_format,
        read_weights,
        to_format,
        write_weights,
        written_edges,
    )
    from ..weights.checkpoint import CheckpointError, check_same_model, signature

    target = args.to or SUFFIXES.get(Path(args.target).suffix)
    if target is None:
        raise ConfigError(f'--to: {args.target} has none of the suffixes {list(SUFFIXES)}')
    if Path(args.target).resolve() == Path(args.source).resolve():
        raise ConfigError('OUT is the same file as IN: give another one')
    if args.edges and Path(args.edges).is_file():
        args.edges = Path(args.edges).read_text()
    weights = read_weights(args.source, args.entry)
    model = build(args, weights.meta)
    saved = signature({'meta': weights.meta}).get('genotype')
    if saved is not None:
        check_same_model({'genotype': saved}, model, f'weights {args.source}')
    form = detect(model, weights.state) if args.form == 'auto' else args.form
    form = 'ppnas' if form == 'state-dict' else form
    state, report = from_format(model, weights.state, form, args.prefix, args.edges)
    report.aside += weights.aside
    print('\n'.join(report.lines()))
    if not report.matched or ((report.missing or report.left) and not args.allow_partial):
        raise CheckpointError(
            f'{args.source}: {report.matched}/{report.total} tensors found, {len(report.left)} '
            'left over; nothing written (--allow-partial accepts some)'
        )
    model.load_state_dict(state)
    names = target if target in FORMATS else 'ppnas'
    write_weights(args.target, to_format(model, names, args.edges), KINDS.get(target, ''), model)
    print(f'{len(state)} tensors written to {args.target}, format {target}')
    if FORMATS[names].ordered and written_edges(model, args.edges) == 'ascending':
        print('the edges of a node are numbered by their source, ascending')
    if args.compare:
        compare(args, model, names, weights.meta)
