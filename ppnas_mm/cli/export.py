"""Export a trained network for other runtimes; see --help."""

from __future__ import annotations

from .arguments import add_run_arguments, new_parser


def main() -> None:
    """Parse the arguments, export, compare."""
    from ..engine.run import load_run, set_genotype

    parser = new_parser(
        'Export a classifier (normalised images to logits), or the backbone of any model, as ONNX, '
        'TorchScript or torch.export file, compared with torch before it is written.',
        'python tools/export.py configs/classification/pp-resnet20_digits.py '
        'model_zoo/pp-resnet20_digits/derived.safetensors --format onnx --size 16 '
        '--genotype model_zoo/pp-resnet20_digits/genotype.json --out digits.onnx',
    )
    add_run_arguments(parser)
    parser.add_argument('checkpoint', help='weights that fit the model, tensor by tensor')
    parser.add_argument('--format', choices=('onnx', 'torchscript', 'pt2'), required=True)
    parser.add_argument('--out', required=True, help='file to write')
    size = 'height and width of the images, or one number for both (default 224)'
    parser.add_argument('--size', type=int, nargs='+', default=[224], help=size)
    parser.add_argument(
        '--dynamic-size',
        action='store_true',
        help='leave the image size free; compared at three sizes',
    )
    parser.add_argument('--backbone', action='store_true', help='feature maps instead of logits')
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    args = parser.parse_args()
    if len(args.size) > 2 or min(args.size) < 1:
        parser.error('--size: expected one or two positive numbers')
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)

    from ..inference.export import export_checkpoint

    difference, notes = export_checkpoint(
        config,
        args.checkpoint,
        args.format,
        args.out,
        (args.size[0], args.size[-1]),
        args.backbone,
        args.dynamic_size,
    )
    shape = ' x '.join(map(str, notes['input']))
    print(f'input: {shape}, {notes["channels"]}, (value - mean) / std')
    print(f'mean: {notes["mean"]}, std: {notes["std"]}, of values from 0 to 255')
    print(f'output: {notes["output"]}; largest difference from torch: {difference:.1e}')
    print(f'written: {args.out}')
