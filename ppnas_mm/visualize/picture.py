"""The page of a picture, SVG or PNG, and labels that all pictures share.

Safe during a training: no pyplot, no changed settings; drawing functions import matplotlib.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = {
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'svg.fonttype': 'none',
    'svg.hashsalt': 'ppnas_mm',
    'text.parse_math': False,
}
RAISED = str.maketrans('0123456789()', '⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾')


def node_label(node: int) -> str:
    """Return the label of a node of a cell, numbered from 0, in all pictures."""
    return f'x({node + 1})'.translate(RAISED)


def printable(text: str) -> str:
    """Return a text in one line of characters that a picture can show."""
    return text if text.isprintable() else ascii(text)


def search_title(record: Mapping[str, Any]) -> str:
    """Return the title of a picture of a search; raises ``KeyError`` if the record is invalid."""
    return f'{record["algorithm"]} on {record["space"]}, seed {record["seed"]}'


@contextmanager
def picture(path: str | os.PathLike) -> Iterator[Figure]:
    """Yield an empty figure and write it to ``path`` at the end: same figure, same bytes.

    Raises:
        ValueError: If the suffix is neither ``.svg`` nor ``.png``.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    suffix = Path(path).suffix.lower()
    if suffix not in ('.svg', '.png'):
        raise ValueError(f'picture {str(path)!r}: the suffix must be .svg or .png')
    with style.context(['default', STYLE]):
        figure = Figure()
        yield figure
        buffer = BytesIO()
        dpi = min(160.0, 2**14 / max(figure.get_size_inches()))
        figure.savefig(buffer, format=suffix[1:], dpi=dpi, metadata={'Date': None})
    write_atomic(path, buffer.getvalue())
