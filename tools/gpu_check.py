"""Check what only a GPU can show; started by gpu_check.sh, see --help."""

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from ppnas_mm import cli

ROOT = Path(__file__).parents[1]
PAGE, RECORDS = ROOT / 'docs/results/gpu.md', ROOT / 'docs/gpu'


def run(args: argparse.Namespace) -> int:
    """Run the parts; return 1 where one failed or a check did not pass."""
    from ppnas_mm.benchmarks.gpu_check import run as runs

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its part is ended, too
    parts = runs.chosen(args.parts)
    plan = runs.Plan(
        Path(args.out),
        args.minutes,
        args.device,
        args.tiny,
        args.data,
        parts,
        args.since or time.time(),
    )
    words = ['tools/gpu_check.sh', '--minutes', f'{args.minutes:g}', '--device', args.device]
    words += ['--tiny'] * args.tiny + (['--parts', *args.parts] if args.parts else [])
    command = shlex.join(words)
    wrong = runs.wrong(runs.check(plan, Path(__file__), command))
    for line in wrong:
        print(f'wrong: {line}')
    print(f'written: {args.out}/{runs.NAME}.json, .md, .log')
    return int(bool(wrong))


def part(args: argparse.Namespace) -> None:
    """Run one part in this process."""
    # whoever started this may be gone: it ends by itself
    signal.alarm(max(1, min(10**6, int(args.until - time.time()) + 8)))
    if args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    import torch
    from mmengine.logging import MMLogger

    from ppnas_mm.benchmarks.gpu_check.parts import Options, part_named, write_rows

    if args.device == 'cuda' and not torch.cuda.is_available():
        raise SystemExit(f'error: --device cuda: torch {torch.__version__} finds no GPU')
    MMLogger.get_current_instance().setLevel('ERROR')
    options = Options(args.device, args.tiny, Path(args.out), args.data, args.until)
    write_rows(part_named(args.name), options, Path(args.rows))


def page(args: argparse.Namespace) -> int:
    """Write the page anew, or say whether it differs."""
    from ppnas_mm.benchmarks.gpu_check import page as pages

    if args.check:
        differs = pages.render(PAGE, RECORDS) != PAGE.read_text()
        print(f'{PAGE}: {"differs" if differs else "is up to date"}')
        return int(differs)
    print(f'{PAGE}: {"written" if pages.update(PAGE, RECORDS) else "is up to date"}')
    return 0


def new_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = cli.new_parser(
        'Check what only a GPU can show. tools/gpu_check.sh sets up and calls this.',
        'tools/gpu_check.sh --pack gpu_pack            # on a machine with internet access\n'
        '  tools/gpu_check.sh --from gpu_pack --out gpu  # on the machine with the GPU\n'
        '  python tools/gpu_check.py page  # docs/results/gpu.md from docs/gpu/*.json',
    )
    commands = parser.add_subparsers(dest='what', required=True, metavar='WHAT')
    one = commands.add_parser('run', help='run all parts')
    one.set_defaults(run=run)
    one.add_argument('--minutes', type=float, default=12, help='time limit of the whole run')
    one.add_argument('--parts', nargs='+', metavar='NAME', help='run only these parts')
    one.add_argument('--since', type=float, help=argparse.SUPPRESS)
    single = commands.add_parser('part', help='run one part in this process')
    single.set_defaults(run=part)
    single.add_argument('name')
    single.add_argument('--rows', required=True, help='file of the results')
    single.add_argument('--until', type=float, required=True, help='seconds since the epoch')
    for each in (one, single):
        each.add_argument('--device', choices=['cpu', 'cuda'], default='cuda')
        each.add_argument('--out', required=True, help='folder of the results')
        each.add_argument(
            '--tiny', action='store_true', help='smallest possible run of the same code'
        )
        each.add_argument('--data', type=Path, help='folder with the packs of CIFAR-10')
    pages = commands.add_parser('page', help='write docs/results/gpu.md from docs/gpu/*.json')
    pages.set_defaults(run=page)
    pages.add_argument('--check', action='store_true', help='only say whether it differs')
    return parser


def main() -> int | None:
    """Parse the arguments and run a command."""
    args = new_parser().parse_args()
    return args.run(args)


if __name__ == '__main__':
    cli.run_tool(main)
