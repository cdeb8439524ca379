"""The options of ``tools/search.py`` that make a search of a finished config."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from .launchers import place
from .search_config import ALGORITHMS, SPACES, to_search

NAMES = ('space', 'algorithm', 'where', 'limits')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` and what goes with it; they replace the positional config."""
    from ..config.options import Options

    group = parser.add_argument_group('search from a finished config')
    group.add_argument(
        '--model', metavar='CONFIG', help='config that trains a network: its backbone is searched'
    )
    group.add_argument(
        '--space', choices=sorted(SPACES), help='search space; default: plugged, blocks in its own'
    )
    group.add_argument(
        '--algorithm', choices=sorted(ALGORITHMS), help="default: that of the space's paper"
    )
    group.add_argument(
        '--where', metavar='REGEX', help='convolutions that the space plugged searches'
    )
    group.add_argument(
        '--limits',
        nargs='+',
        action=Options,
        metavar='UNIT=VALUE',
        help='limits on flops, params or latency, such as flops=4e9 input_shape=3,224,224',
    )


def settle(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Check that there is one config, and take that of ``--model`` as ``args.config``."""
    given = [f'--{name}' for name in NAMES if getattr(args, name)]
    if (args.config is None) == (args.model is None):
        parser.error('expected a config of a search, or --model with a config of a network')
    if args.model is None:
        if given:
            parser.error(f'{given[0]} goes with --model')
        return
    args.config, args.space = args.model, args.space or 'plugged'


def changed(args: argparse.Namespace) -> Any:
    """Return what makes a search of the config of ``args``, or ``None`` if it is one."""
    if not getattr(args, 'space', None):
        return None
    options: Mapping[str, Any] = {name: getattr(args, name) for name in NAMES}
    launcher = getattr(args, 'launcher', 'none')
    processes = 1 if launcher == 'none' else place(launcher, os.environ)[1]
    return lambda config: to_search(config, **options, processes=processes)


def words(args: argparse.Namespace) -> list[str]:
    """Return the words of a command line that name the same search."""
    if not getattr(args, 'space', None):
        return [args.config]
    found = ['--model', args.config]
    for name in NAMES:
        value = getattr(args, name)
        if isinstance(value, Mapping):
            found += [f'--{name}', *(f'{k}={_text(v)}' for k, v in value.items())]
        elif value:
            found += [f'--{name}', value]
    return found


def _text(value: Any) -> str:
    return ','.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
