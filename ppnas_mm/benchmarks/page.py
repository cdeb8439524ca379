"""The blocks of a page that are made of records: ``<!-- benchmark: NAME -->``, ``<!-- end -->``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..config.keys import ConfigError
from ..utils.files import write_atomic
from .record import Record

BLOCK = re.compile(r'<!-- benchmark: ([\w.-]+) -->\n(.*?)<!-- end -->', re.S)
FOLDER = 'benchmarks'
"""Where the records lie, beside the page."""


def block(name: str, record: Record) -> str:
    """Return a record as it stands in the page, markers included."""
    picture = f'![{name}]({FOLDER}/{name}.svg)'
    body = f'`{record.command}`\n\n{record.report()}\n\n{picture}\n'
    return f'<!-- benchmark: {name} -->\n{body}<!-- end -->'


def render(path: str | os.PathLike) -> tuple[str, list[str]]:
    """Return a page with its blocks made anew, and the names of those that differ.

    Raises:
        ConfigError: If a block has no record, a record no block, or a marker no end.
    """
    page = Path(path)
    text = page.read_text()
    folder = page.parent / FOLDER
    names = [match[1] for match in BLOCK.finditer(text)]
    opened = text.count('<!-- benchmark:')
    if opened != len(names) or any('<!-- benchmark:' in m[2] for m in BLOCK.finditer(text)):
        raise ConfigError(f'{page}: {opened} markers <!-- benchmark: NAME -->, not all with an end')
    files = {file.stem for file in folder.glob('*.json')}
    if files ^ set(names) or len(set(names)) != len(names):
        raise ConfigError(
            f'{page} has blocks for {names}, {folder} records of {sorted(files)}; expected one '
            'block for each record'
        )
    fresh = {name: block(name, Record.load(folder / f'{name}.json')) for name in names}
    differ = [match[1] for match in BLOCK.finditer(text) if match[0] != fresh[match[1]]]
    return BLOCK.sub(lambda match: fresh[match[1]], text), differ


def update(path: str | os.PathLike) -> list[str]:
    """Write a page's blocks and pictures anew from the records; return the blocks that differed."""
    page = Path(path)
    text, differ = render(page)
    for name, _ in BLOCK.findall(text):
        stem = page.parent / FOLDER / name
        write_atomic(f'{stem}.svg', Record.load(f'{stem}.json').draw())
    if differ:
        write_atomic(page, text.encode())
    return differ
