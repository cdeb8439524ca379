"""Draw what a model sees in an image; see --help."""

from __future__ import annotations

from .arguments import add_run_arguments, new_parser


def main() -> None:
    """Parse the arguments, predict, draw."""
    from ..engine.run import load_run, set_genotype

    parser = new_parser(
        'Draw boxes, masks or the class on an image, by a config of mmdet, mmseg or mmpretrain.',
        'python tools/demo.py image.jpg configs/detection/retinanet_pp-resnet_digit-scenes.py '
        'work_dirs/retinanet_pp-resnet_digit-scenes/epoch_12.pth --out boxes.png',
    )
    parser.add_argument('image', help='image file')
    add_run_arguments(parser)
    parser.add_argument('checkpoint', help='weights that fit the model, tensor by tensor')
    parser.add_argument('--out', required=True, help='image to write, .png or .jpg')
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    parser.add_argument('--score', type=float, default=0.3, help='least score of a box to draw')
    parser.add_argument('--device', default='cpu', help='torch device (default cpu)')
    args = parser.parse_args()
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)

    from ..inference.demo import run_demo

    print(run_demo(args.image, config, args.checkpoint, args.out, args.score, args.device))
    print(f'drawn in {args.out}')
