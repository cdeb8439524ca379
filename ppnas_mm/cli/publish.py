"""Put a trained network into the model zoo; see --help."""

from __future__ import annotations

from .arguments import add_run_arguments, new_parser


def main() -> None:
    """Parse the arguments, strip, test, write file and entry."""
    from ..engine.run import load_run, set_genotype

    parser = new_parser(
        'Write the weights of a checkpoint, without optimizer, as FOLDER/NAME.safetensors; test '
        'them on the test data of the config, put the score into the index beside FOLDER, and '
        'write a model card.',
        'python tools/publish.py work_dirs/digits/epoch_20.pth --name pp_resnet20.retrained '
        '--config configs/classification/pp-resnet20_digits.py '
        '--source "tools/train.py, seed 0" --out model_zoo/pp-resnet20_retrained',
    )
    parser.add_argument('checkpoint', help='weights that fit the model, tensor by tensor')
    parser.add_argument('--name', required=True, help='ARCH.TAG, as in ppnas://ARCH.TAG')
    parser.add_argument('--out', required=True, metavar='FOLDER', help='folder in the model zoo')
    parser.add_argument(
        '--source',
        metavar='TEXT',
        help='log or command that made the weights, for the index; required unless --no-test',
    )
    parser.add_argument('--ema', action='store_true', help='publish the averages of EMAHook')
    parser.add_argument(
        '--no-test', action='store_true', help='write only the file, no entry in the index'
    )
    parser.add_argument('--metric', help='score for the index, e.g. accuracy/top1')
    parser.add_argument('--licence', default='Apache-2.0', help='SPDX identifier of the weights')
    parser.add_argument('--replace', action='store_true', help='replace file and entry of NAME')
    parser.add_argument(
        '--push',
        metavar='USER/NAME',
        help='repository of the Hugging Face hub that gets weights, entry and card, too; needs '
        'huggingface_hub and its login',
    )
    parser.add_argument('--genotype', help='published name or JSON file for model.backbone.arch')
    add_run_arguments(parser, option='--config')
    args = parser.parse_args()
    if not (args.source or args.no_test):
        parser.error('--source is missing: the index states where weights come from')
    if args.push and args.no_test:
        parser.error('--push: not with --no-test, because the card states what was measured')
    if any(key.startswith('model') for key in args.cfg_options):
        parser.error('--cfg-options model...: put it into a config; the index names the config')
    config = load_run(args)
    if args.genotype:
        set_genotype(config, args.genotype)

    from ..zoo.publish import publish

    path, entry = publish(
        config, args.config, args.checkpoint, args.name, args.out, args.source, args.ema,
        not args.no_test, args.metric, args.licence, args.replace, args.push,
    )  # fmt: skip
    print(f'written: {path}')
    if entry is not None:
        print('{name}: {value:g} on {dataset}'.format(**entry.metric))
        print('now run: python tools/zoo.py')
    if args.push:
        print(f'pushed: hf://{args.push}')
