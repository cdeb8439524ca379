"""Arguments that the tools share."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any


def new_parser(description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` ends with an example.

    Under the command ``ppnas`` the example has its name.
    """
    if sys.argv[0].startswith('ppnas '):
        example = re.sub(r'python tools/(\w+)\.py', r'ppnas \1', example)
    return argparse.ArgumentParser(
        description=description,
        epilog=f'example:\n  {example}\n\nPPNAS_DEBUG=1 shows the traceback of an error.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_run_arguments(
    parser: argparse.ArgumentParser,
    source: str = 'config file',
    option: str | None = None,
    optional: bool = False,
) -> None:
    """Add the arguments of every tool that starts a run.

    Args:
        parser: Gets the arguments.
        source: What the run starts from.
        option: Name of the option for it; ``None`` makes it a positional argument.
        optional: Whether the positional argument may be left out.
    """
    from ..config.options import Options

    kind: dict[str, Any] = {'metavar': source.upper().replace(' ', '_'), 'help': source}
    if option is None:
        parser.add_argument('config', nargs='?' if optional else None, **kind)
    else:
        parser.add_argument(option, dest='config', required=True, **kind)
    parser.add_argument('--work-dir', help='folder of the results; default work_dirs/<config name>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Options,
        default={},
        metavar='KEY=VALUE',
        help='override config entries, e.g. train_cfg.max_epochs=2',
    )
    launchers = ('none', 'pytorch', 'slurm', 'mpi')
    parser.add_argument('--launcher', choices=launchers, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of searches and trainings."""
    parser.add_argument(
        '--resume', action='store_true', help='continue after the last finished epoch'
    )
    parser.add_argument('--seed', type=int, help='random seed; default: that of the config, or 0')
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU'
    )
