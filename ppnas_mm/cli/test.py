"""Test a checkpoint; see --help."""

from __future__ import annotations

from .arguments import add_run_arguments, new_parser


def main() -> None:
    """Parse the arguments, load every tensor, run the test."""
    from ..engine.run import load_run, set_genotype

    parser = new_parser(
        'Test a checkpoint (.pth or .safetensors) with a config of mmpretrain, mmdet or mmseg.',
        'python tools/test.py configs/classification/pp-resnet20_digits.py '
        'work_dirs/digits/derived.safetensors --genotype work_dirs/digits/genotype.json',
    )
    add_run_arguments(parser)
    parser.add_argument('checkpoint', help='weights that fit the model, tensor by tensor')
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    args = parser.parse_args()
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)

    from ..engine.runner import Runner
    from ..utils.tables import figure
    from ..weights.checkpoint import load_weights

    runner = Runner.from_cfg(config)
    count = load_weights(runner.model, args.checkpoint)
    print(f'{args.checkpoint}: {count}/{count} tensors loaded')
    for name, value in runner.test().items():
        print(f'{name}: {figure(value)}')
