"""Picture of an architecture, as SVG or PNG; :func:`draw_search` draws the course of a search."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..genotype import Genotype
from .cell_layouts import ChainLayout, GraphLayout, Layout, is_chain
from .picture import node_label, picture, printable
from .search import draw_search
from .style import ARROW, DARK, FAINT, LIGHT, op_colour
from .titles import found_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ['draw_genotype', 'draw_search']

MARGIN, HEAD, BOLD = 0.2, 0.45, 0.115  # inches: height of a heading, width of its letters


def _draw_cell(axes: Axes, panel: Layout) -> None:
    """Draw a cell; an arrow's id in the SVG is ``edge-<cell>-<source>-<node>-<edge>``."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Curve

    cell, index = panel.cell, panel.index
    box = partial(FancyBboxPatch, boxstyle='round,pad=0,rounding_size=0.07')
    arrow = partial(FancyArrowPatch, arrowstyle='-|>,head_width=2.2,head_length=5', color=ARROW)
    write = partial(axes.text, ha='center', va='center')
    for i, n, k in panel.arrows:
        points = panel.points(i, n, k)
        step = Curve.LINETO if len(points) == 2 else Curve.CURVE4
        curve = Curve(points, [Curve.MOVETO] + [step] * (len(points) - 1))
        axes.add_patch(arrow(path=curve, gid=f'edge-{index}-{i}-{n}-{k}'))
    for i, (x, y, *size) in enumerate(panel.inputs):
        colour, line = (FAINT, '--') if i in panel.unread else (DARK, '-')
        look: dict[str, Any] = {
            'ec': colour,
            'fc': 'white',
            'ls': line,
            'gid': f'input-{index}-{i}',
        }
        axes.add_patch(box((x, y), *size, **look))
        middle = (x + size[0] / 2, y + size[1] / 2)
        write(*middle, node_label(i), color=colour, fontsize=12)
    for n, (x, y, *size) in panel.nodes.items():
        axes.add_patch(box((x, y), *size, ec=DARK, fc='white', gid=f'node-{index}-{n}'))
        write(*panel.labels[n], node_label(n), color=DARK, fontsize=12)
    for (n, k), (x, y, *size) in panel.ops.items():
        op = cell.nodes[n - cell.inputs][k].op
        colour, gid = op_colour(op), f'{index}-{n}-{k}'
        axes.add_patch(box((x, y), *size, ec=colour, fc=colour + LIGHT, gid=f'box-{gid}'))
        write(x + size[0] / 2, y + size[1] / 2, op, color=DARK, gid=f'op-{gid}')


def _heading_width(panel: Layout, notes: Mapping[str, str]) -> float:
    name = panel.cell.name
    return 0.25 + BOLD * len(printable(name)) + 0.09 * len(notes.get(name, ''))


def _draw_heading(axes: Axes, panel: Layout, notes: Mapping[str, str]) -> None:
    """Write the name of a cell and the note beside it."""
    name = printable(panel.cell.name)
    axes.text(0, -0.12, name, color=DARK, fontsize=11, fontweight='bold')
    if panel.cell.name in notes:
        look: dict[str, Any] = dict(color=ARROW, gid=f'note-{panel.index}')
        axes.text(0.25 + BOLD * len(name), -0.12, notes[panel.cell.name], **look)


def _legend(ops: set[str], panels: list[Layout]) -> list[Any]:
    """Return the entries of the legend."""
    from matplotlib.patches import Patch

    looks = [(op, op_colour(op), LIGHT, '-') for op in sorted(ops)]
    looks += [('input that nothing reads', FAINT, '00', '--')] * any(p.unread for p in panels)
    return [Patch(label=t, ec=c, fc=c + light, ls=line) for t, c, light, line in looks]


def draw_genotype(
    genotype: Genotype,
    path: str | os.PathLike,
    title: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Draw an architecture with one panel for each cell.

    Inputs are on the left, computed nodes with their operations on the right; an input that nothing
    reads is grey and dashed.  A chain of operations runs from left to right in rows of at most 1000
    pixels, one cell below the other.  The same genotype gives the same bytes.

    Args:
        genotype: The architecture.
        path: The picture to write, ``.svg`` or ``.png``.
        title: A line above the panels; by default config and seed of its search.
        notes: Text beside the names of cells, such as resolution and channels.

    Raises:
        ValueError: If ``path`` has another suffix.
    """
    ops = {e.op for cell in genotype.cells for edges in cell.nodes for e in edges}
    op_width, chain, notes = 0.2 + 0.08 * max(map(len, ops)), is_chain(genotype), notes or {}
    layout = ChainLayout if chain else GraphLayout
    panels: list[Any] = [layout(cell, i, op_width) for i, cell in enumerate(genotype.cells)]
    columns = 1 if chain else math.ceil(len(panels) / math.ceil(len(panels) / 3))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [HEAD + max(p.height for p in row) for row in rows]
    if title is None:
        title = found_title(genotype) or ''
    wide = max(max(p.width, _heading_width(p, notes)) for p in panels)
    width = max(columns * (wide + 2 * MARGIN), 0.13 * len(title), 5)
    legend_columns = max(1, int(width / max(1.8, 0.6 + 0.08 * max(map(len, ops)))))
    with picture(path) as figure:
        handles = _legend(ops, panels)
        foot = 0.25 + 0.22 * math.ceil(len(handles) / legend_columns)
        height = foot + sum(heights) + HEAD * bool(title)
        figure.set_size_inches(width, height)
        figure.text(0.5, 1 - 0.3 / height, title, ha='center', fontsize=13, color=DARK)
        bottoms = accumulate(heights, lambda y, high: y - high, initial=height - HEAD * bool(title))
        for row, high, bottom in zip(rows, heights, list(bottoms)[1:], strict=True):
            for column, p in enumerate(row):
                box = (column / columns, bottom / height, 1 / columns, high / height)
                axes = figure.add_axes(box, gid=f'cell-{p.index}', frame_on=False)
                axes.set(xticks=[], yticks=[])
                axes.axis((-MARGIN, width / columns - MARGIN, high - HEAD, -HEAD))
                _draw_heading(axes, p, notes)
                _draw_cell(axes, p)
        figure.legend(handles=handles, loc='lower center', ncols=legend_columns, frameon=False)
