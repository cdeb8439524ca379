"""Write the pages that follow from the tools and from published studies; see --help."""

import argparse
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from ppnas_mm import cli

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs/reference/cli.md'
STUDIES = ROOT / 'docs/results/does_the_search_pay.md'
HEAD = """# Command line

<!-- Written by `python tools/docs.py` from the parsers of the tools. -->

`--help` of each tool shows the same text. An installed package has most of them as one command:
`ppnas NAME` is `python tools/NAME.py`, as is `python -m ppnas_mm NAME` (`ppnas --help` lists them;
the others need the source); `ppnas configs` lists the configs, whose names work as paths do. Every
tool exits with 0 on success, 2 after an expected error (one line on stderr that begins with
`error:`), 130 after Ctrl-C. `PPNAS_DEBUG=1` shows the traceback of an error.
[Configs](configs.md#environment-variables) lists the environment variables.
"""


class ParsedError(Exception):
    """A tool has reached ``parse_args``."""


def parser_of(tool: Path) -> argparse.ArgumentParser:
    """Return the parser of a tool."""
    main = runpy.run_path(str(tool), run_name='tool')['main']
    with patch.object(argparse.ArgumentParser, 'parse_args', autospec=True) as parse_args:
        parse_args.side_effect = ParsedError
        try:
            main()
        except ParsedError:
            parser: argparse.ArgumentParser = parse_args.call_args.args[0]
            return parser
    raise ValueError(f'{tool}: main() parses no arguments')


def subcommands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, help and parser of the commands of a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                yield (
                    listed.dest,
                    ' '.join((listed.help or '').split()),
                    action.choices[listed.dest],
                )


def shown(action: argparse.Action) -> str:
    """Return an argument as a user writes it."""
    names = ', '.join(f'`{name}`' for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = action.metavar or (
        '{' + ','.join(map(str, action.choices)) + '}' if action.choices else action.dest.upper()
    )
    value = value if isinstance(value, str) else ' '.join(value)
    value += ' ...' if action.nargs in ('+', '*') else ''
    return f'{names} `{value}`'.strip()


def explained(action: argparse.Action) -> str:
    """Return what ``--help`` says of an argument, and its default."""
    text = ' '.join((action.help or '').split()).replace('%%', '%').replace('|', '\\|')
    given = action.default
    if (
        action.option_strings
        and action.nargs != 0
        and given not in (None, {}, [], argparse.SUPPRESS)
        and 'default' not in text
    ):
        given = (
            given.relative_to(ROOT) if isinstance(given, Path) and given.is_absolute() else given
        )
        given = ' '.join(map(str, given)) if isinstance(given, (list, tuple)) else given
        text += f'{"; " if text else ""}default: {given}'
    if action.required and action.option_strings:
        text += f'{"; " if text else ""}required'
    return text


def table(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the rows of the arguments of a parser."""
    actions = [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    ]
    if actions:
        yield from ('', '| argument | meaning |', '| --- | --- |')
        yield from (f'| {shown(action)} | {explained(action)} |' for action in actions)


def section(tool: Path) -> str:
    """Return the section of a tool."""
    parser = parser_of(tool)
    example = (parser.epilog or '').split('example:\n')[-1].split('\n\nPPNAS_DEBUG')[0]
    lines = [f'## {tool.name}', '', ' '.join((parser.description or '').split())]
    lines += ['', '```text', *(line[2:] for line in example.splitlines()), '```', *table(parser)]
    for name, says, command in subcommands(parser):
        lines += [
            '',
            f'### {tool.name} {name}',
            '',
            f'{says[:1].upper()}{says[1:]}.',
            *table(command),
        ]
    return '\n'.join(lines) + '\n'


def page() -> str:
    """Return the page."""
    parts = [section(tool) for tool in sorted((ROOT / 'tools').glob('*.py'))]
    return '\n'.join([HEAD, *parts])


def main() -> int:
    """Write the pages, or compare them."""
    parser = cli.new_parser(
        'Write docs/reference/cli.md from the parsers of the tools, and the tables of the studies '
        'in docs/results into the page that explains them.',
        'python tools/docs.py',
    )
    parser.add_argument('--check', action='store_true', help='only say whether a page differs')
    args = parser.parse_args()

    from ppnas_mm.study.summary import fill

    different = 0
    for path, text in ((PAGE, page()), (STUDIES, fill(STUDIES))):
        differs = text != (path.read_text() if path.is_file() else '')
        if differs and not args.check:
            path.write_text(text)
        said = ('differs' if args.check else 'written') if differs else 'is up to date'
        print(f'{path.relative_to(ROOT)}: {said}', file=sys.stderr)
        different += differs
    return int(different > 0 and args.check)


if __name__ == '__main__':
    cli.run_tool(main)
