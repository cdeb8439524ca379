"""List the configs that come with the package; see --help."""

from __future__ import annotations

from pathlib import Path

from ..config.keys import ConfigError, hint
from ..config.shipped import configs_dir
from .arguments import new_parser


def sentence(path: Path) -> str:
    """Return the first sentence of the comment that a config begins with."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith('#'):
            break
        lines.append(line[1:].strip())
    text = ' '.join(lines)
    return text.partition('. ')[0].rstrip('.:;')


def main() -> None:
    """Parse the arguments and print the list."""
    parser = new_parser(
        'List the configs that come with the package, one line each. Their names work wherever a '
        'config is asked for.',
        'ppnas configs digits',
    )
    parser.add_argument('word', nargs='?', help='only those with this word in their name or line')
    args = parser.parse_args()
    folder, word = configs_dir(), (args.word or '').lower()
    found = 0
    for kind in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != '_'):
        rows = [(path.stem, sentence(path)) for path in sorted(kind.glob('*.py'))]
        rows = [row for row in rows if word in f'{kind.name}/{row[0]} {row[1]}'.lower()]
        if not rows:
            continue
        found += len(rows)
        print(f'{kind.name}:')
        width = max(len(name) for name, _ in rows)
        for name, says in rows:
            print(f'  {name:{width}}  {says}')
    if not found:
        names = [path.stem for path in folder.glob('[!_]*/*.py')]
        raise ConfigError(f'no config has {args.word!r} in its name{hint(str(args.word), names)}')
