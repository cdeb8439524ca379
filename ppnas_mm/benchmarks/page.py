"""Blocks of pages generated from records: ``<!-- benchmark: NAME -->`` to ``<!-- end -->``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..config.keys import ConfigError
from ..utils.files import write_atomic
from .record import Record

BLOCK = re.compile(r'<!-- benchmark: ([\w.-]+) -->\n(.*?)<!-- end -->', re.S)
RECORDS = Path('..', 'benchmarks')
"""The folder of the records, relative to the folder of the pages."""


def block(name: str, record: Record) -> str:
    """Return the block of a record, including its markers."""
    picture = f'![{name}]({(RECORDS / name).as_posix()}.svg)'
    body = f'`{record.command}`\n\n{record.report()}\n\n{picture}\n'
    return f'<!-- benchmark: {name} -->\n{body}<!-- end -->'


def _texts(pages: Path) -> Iterator[tuple[Path, str]]:
    """Read the pages that have markers.

    Raises:
        ConfigError: If a marker has no end.
    """
    for page in sorted(pages.glob('*.md')):
        text = page.read_text()
        opened, bodies = text.count('<!-- benchmark:'), [m[2] for m in BLOCK.finditer(text)]
        if opened != len(bodies) or any('<!-- benchmark:' in body for body in bodies):
            raise ConfigError(
                f'{page}: {opened} markers <!-- benchmark: NAME -->, not all with an end'
            )
        if opened:
            yield page, text


def render(pages: str | os.PathLike) -> tuple[dict[Path, str], list[str]]:
    """Render the blocks of all pages in a folder from the records, without writing.

    Returns:
        The new text of each page that has blocks, and the names of the blocks that differ.

    Raises:
        ConfigError: If a block has no record, a record has no block or several, or a marker has no
            end.
    """
    folder = Path(os.path.normpath(Path(pages) / RECORDS))
    texts = dict(_texts(Path(pages)))
    found = [match for text in texts.values() for match in BLOCK.finditer(text)]
    names = [match[1] for match in found]
    files = {file.stem for file in folder.glob('*.json')}
    if files ^ set(names) or len(set(names)) != len(names):
        raise ConfigError(
            f'{pages} has blocks for {sorted(names)}, {folder} records of {sorted(files)}; '
            'expected one block for each record'
        )
    fresh = {name: block(name, Record.load(folder / f'{name}.json')) for name in names}
    differ = [match[1] for match in found if match[0] != fresh[match[1]]]
    written = {page: BLOCK.sub(lambda m: fresh[m[1]], text) for page, text in texts.items()}
    return written, differ


def update(pages: str | os.PathLike) -> list[str]:
    """Rewrite pages and pictures from the records; return the names of blocks that differed."""
    texts, differ = render(pages)
    for page, text in texts.items():
        for name, _ in BLOCK.findall(text):
            stem = page.parent / RECORDS / name
            write_atomic(f'{stem}.svg', Record.load(f'{stem}.json').draw())
        if text != page.read_text():
            write_atomic(page, text.encode())
    return differ
