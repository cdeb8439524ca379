"""Pictures of an architecture and of a search, as SVG or PNG.

Safe inside a training: no pyplot, no setting left behind; a drawing function imports matplotlib.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .fileio import write_atomic
from .genotype import SPACE_RULES, Cell, Genotype

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = {
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'svg.fonttype': 'none',
    'svg.hashsalt': 'ppnas_mm',
    'text.parse_math': False,
}
PALETTE = (
    *('#3b78b4', '#e8833a', '#4a9d5b', '#c8504f', '#8466b0', '#2aa5a0', '#9a9a9a', '#c9a227'),
    *('#8c5a3c', '#d77fb3', '#1f3f77'),
)
"""One colour for each operation of the largest space, ``none`` included."""
DARK, ARROW, FAINT, LIGHT = '#24303f', '#5b6b7f', '#a8afb8', '4d'  # LIGHT: the alpha of a fill
LEVELS = {'ends < 0.1': PALETTE[6], 'ends between': PALETTE[1], 'ends > 0.9': PALETTE[2]}
RAISED = str.maketrans('0123456789()', '⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾')
INPUT_WIDTH, LABEL_WIDTH, OP_HEIGHT, PAD, ROW_GAP = 0.46, 0.46, 0.3, 0.06, 0.34  # inches


@contextmanager
def _picture(path: str | os.PathLike) -> Iterator[Figure]:
    """Yield an empty figure and write it to ``path`` at the end: same figure, same bytes."""
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


def _op_colours(space: str, ops: Iterable[str]) -> dict[str, str]:
    """Map ops to colours; an op of a space has the same colour in every picture."""
    known = sorted(SPACE_RULES[space].ops | {'none'}) if space in SPACE_RULES else []
    return dict(zip([*known, *sorted(set(ops) - set(known))], itertools.cycle(PALETTE)))


class _Panel:
    """Layout of one cell: inputs in a left column, computed nodes in a right one, y downwards."""

    def __init__(self, cell: Cell, index: int, op_width: float) -> None:
        self.cell, self.index, self.op_width = cell, index, op_width
        heights = [len(edges) * (OP_HEIGHT + PAD) + PAD for edges in cell.nodes]
        gap = max(ROW_GAP, (0.55 * cell.inputs - sum(heights)) / len(heights))
        self.height = sum(heights) + gap * len(heights)
        self.input_y = [(i + 0.5) * self.height / cell.inputs for i in range(cell.inputs)]
        self.left = INPUT_WIDTH + min(1.1 + 0.12 * len(heights), 4.0)
        self.right = self.left + LABEL_WIDTH + op_width + PAD
        self.boxes: dict[int, tuple[float, float]] = {}  # computed node: top and height
        self.op_y: dict[tuple[int, int], float] = {}  # node and number of its edge: middle
        self.arrows: list[tuple[int, int, int]] = []  # source, node, number of the node's edge
        top = gap / 2
        for n, (edges, height) in enumerate(zip(cell.nodes, heights, strict=True), cell.inputs):
            self.boxes[n] = (top, height)
            for k, edge in enumerate(edges):
                self.op_y[n, k] = top + PAD + k * (OP_HEIGHT + PAD) + OP_HEIGHT / 2
                self.arrows += [(i, n, k) for i in edge.sources]
            top += height + gap
        self.unread = set(range(cell.inputs)) - {source for source, _, _ in self.arrows}
        reach = max(x for arrow in self.arrows for x, _ in self.points(*arrow)) - self.right
        self.width = self.right + 0.75 * max(reach, 0)

    def points(self, source: int, node: int, edge: int) -> list[tuple[float, float]]:
        """Return the points of an arrow: two for a line, four for a Bezier curve."""
        inputs, end = self.cell.inputs, self.op_y[node, edge]
        sources = sorted(self.cell.nodes[node - inputs][edge].sources)
        peers = [i for i in sources if (i < inputs) == (source < inputs)]
        if source < inputs:
            shift = peers.index(source) - (len(peers) - 1) / 2
            end += shift * min(0.1, OP_HEIGHT / len(peers))
            return [(INPUT_WIDTH, self.input_y[source]), (self.left, end)]
        bottom = sum(self.boxes[source])
        if source == node - 1 and edge == 0:
            middle = (self.left + self.right) / 2
            return [(middle, bottom), (middle, self.boxes[node][0])]
        end += 0.1 - (peers.index(source) + 1) * 0.2 / len(peers)
        out = self.right + 0.3 + 0.45 * (node - source - 1) ** 0.6
        return [(self.right, bottom - 0.1), (out, bottom - 0.1), (out, end), (self.right, end)]


def _draw_panel(axes: Axes, panel: _Panel, colours: Mapping[str, str]) -> None:
    """Draw a cell; an arrow's id in the SVG is ``edge-<cell>-<source>-<node>-<edge>``."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Curve

    cell, index = panel.cell, panel.index
    box = partial(FancyBboxPatch, boxstyle='round,pad=0,rounding_size=0.07', fc='white')
    arrow = partial(FancyArrowPatch, arrowstyle='-|>,head_width=2.2,head_length=5', color=ARROW)
    write = partial(axes.text, ha='center', va='center', color=DARK)
    for i, n, k in panel.arrows:
        points = panel.points(i, n, k)
        step = Curve.LINETO if len(points) == 2 else Curve.CURVE4
        curve = Curve(points, [Curve.MOVETO] + [step] * (len(points) - 1))
        axes.add_patch(arrow(path=curve, gid=f'edge-{index}-{i}-{n}-{k}'))
    for i, y in enumerate(panel.input_y):
        colour, line = (FAINT, '--') if i in panel.unread else (DARK, '-')
        look: dict[str, Any] = {'ec': colour, 'ls': line, 'gid': f'input-{index}-{i}'}
        axes.add_patch(box((0, y - 0.17), INPUT_WIDTH, 0.34, **look))
        write(INPUT_WIDTH / 2, y, f'x({i + 1})'.translate(RAISED), color=colour, fontsize=12)
    x, width = panel.left + LABEL_WIDTH, panel.right - panel.left
    for n, (top, height) in panel.boxes.items():
        axes.add_patch(box((panel.left, top), width, height, ec=DARK, gid=f'node-{index}-{n}'))
        write(x - LABEL_WIDTH / 2, top + height / 2, f'x({n + 1})'.translate(RAISED), fontsize=12)
        for k, edge in enumerate(cell.nodes[n - cell.inputs]):
            y, colour = panel.op_y[n, k], colours[edge.op]
            look = {'ec': colour, 'fc': colour + LIGHT, 'gid': f'box-{index}-{n}-{k}'}
            axes.add_patch(box((x, y - OP_HEIGHT / 2), panel.op_width, OP_HEIGHT, **look))
            write(x + panel.op_width / 2, y, edge.op, gid=f'op-{index}-{n}-{k}')


def draw_genotype(genotype: Genotype, path: str | os.PathLike, title: str | None = None) -> None:
    """Draw an architecture, one panel a cell.

    Inputs stand on the left, computed nodes with their ops on the right; an input that nothing
    reads is grey and dashed.  The same genotype gives the same bytes.

    Args:
        genotype: The architecture.
        path: The picture to write, ``.svg`` or ``.png``.
        title: A line above the panels.

    Raises:
        ValueError: If ``path`` has another suffix.
    """
    from matplotlib.patches import Patch

    used = {e.op for cell in genotype.cells for edges in cell.nodes for e in edges}
    colours = _op_colours(genotype.space, used)
    op_width = 0.2 + 0.08 * max(map(len, used))
    panels = [_Panel(cell, i, op_width) for i, cell in enumerate(genotype.cells)]
    looks: list[tuple[str, str, str, Any]] = [(op, colours[op], LIGHT, '-') for op in sorted(used)]
    looks += [('input that nothing reads', FAINT, '00', '--')] * any(p.unread for p in panels)
    rows = math.ceil(len(panels) / 3)
    columns = math.ceil(len(panels) / rows)
    title, margin, head = title or '', 0.2, 0.45  # head: the height of a heading
    width = max(columns * (max(p.width for p in panels) + 2 * margin), 0.13 * len(title), 5)
    high = max(p.height for p in panels) + head
    legend_columns = int(width / 1.8)
    foot = 0.25 + 0.22 * math.ceil(len(looks) / legend_columns)
    height = foot + rows * high + head * bool(title)
    with _picture(path) as figure:
        figure.set_size_inches(width, height)
        figure.text(0.5, 1 - 0.3 / height, title, ha='center', fontsize=13, color=DARK)
        for p in panels:
            row, column = divmod(p.index, columns)
            bottom = (foot + (rows - row - 1) * high) / height
            axes = figure.add_axes((column / columns, bottom, 1 / columns, high / height))
            axes.axis((-margin, width / columns - margin, high - head, -head))
            axes.set(gid=f'cell-{p.index}', frame_on=False, xticks=[], yticks=[])
            name = p.cell.name if p.cell.name.isprintable() else ascii(p.cell.name)
            axes.text(0, -0.12, name, color=DARK, fontsize=11, fontweight='bold')
            _draw_panel(axes, p, colours)
        handles = [Patch(label=t, ec=c, fc=c + light, ls=line) for t, c, light, line in looks]
        figure.legend(handles=handles, loc='lower center', ncols=legend_columns, frameon=False)


def _search_lines(record: Mapping[str, Any]) -> dict[str, list[tuple[str, str, str, list]]]:
    """Return the lines of each panel as (id, label, colour, one value or None an epoch)."""
    epochs, choices, cycle = record['epochs'], record['choices'], itertools.cycle(PALETTE)
    lines: dict[str, list] = {'losses': [], 'metrics': [], 'connection gates': [], 'op weights': []}
    for group in ('losses', 'metrics'):
        for name in dict.fromkeys(name for epoch in epochs for name in epoch.get(group, {})):
            row = [epoch.get(group, {}).get(name) for epoch in epochs]
            lines[group].append((name, name, next(cycle), row))
    ops = {op for choice in choices.values() for op in choice['candidates']}
    colours = _op_colours(record['space'], ops) | LEVELS
    for name, choice in choices.items():
        rows = [epoch.get('architecture', {}).get(name) for epoch in epochs]
        for i, label in enumerate(choice['candidates'] if any(rows) else ()):
            panel, row = 'op weights', [values and values[i] for values in rows]
            if choice['gates']:
                last = [0.5, *(v for v in row if v is not None and math.isfinite(v))][-1]
                panel, label = 'connection gates', tuple(LEVELS)[(last >= 0.1) + (last > 0.9)]
            lines[panel].append((f'{name}[{i}]', label, colours[label], row))
    return lines


def _draw_lines(axes: Axes, epochs: list, lines: list, **style: Any) -> dict[str, Any]:
    """Draw lines across the epochs without a value; return one line of each label."""
    drawn, size = {}, 5 if len(epochs) < 20 else 2
    for gid, label, colour, row in lines:
        points = [point for point in zip(epochs, row, strict=True) if point[1] is not None]
        style |= {'color': colour, 'gid': gid, 'label': label, 'marker': '.', 'markersize': size}
        drawn[label] = axes.plot([x for x, _ in points], [y for _, y in points], **style)[0]
    return drawn


def draw_search(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw losses, connection gates and op weights of a search over its epochs.

    Args:
        record: The content of ``search.json``; a panel without data is left out.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record is not one of a search.
    """
    try:
        epochs, lines = [epoch['epoch'] for epoch in record['epochs']], _search_lines(record)
        title = f'{record["algorithm"]} on {record["space"]}, seed {record["seed"]}'
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None
    panels = [name for name in lines if lines[name] and name != 'metrics']
    if not panels:
        raise ValueError('the record of the search holds no values to draw')
    with _picture(path) as figure:
        figure.set_size_inches(9, 2.5 * len(panels) + 0.5)
        figure.set_layout_engine('constrained')
        figure.suptitle(title)
        for i, name in enumerate(panels, 1):
            axes = figure.add_subplot(len(panels), 1, i, xlabel='epoch', ylabel=name)
            axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
            axes.locator_params(axis='x', integer=True, min_n_ticks=1)
            thick, spot = 1.5 if name == 'losses' else 0.7, (1.02, 0.5)
            handles = _draw_lines(axes, epochs, lines[name], linewidth=thick)
            if name != 'losses':
                most = max(v for *_, row in lines[name] for v in row if v is not None)
                axes.set_ylim(-0.03, 1.03 if most > 0.5 else 1.2 * most)
            elif lines['metrics']:
                twin, spot = axes.twinx(), (1.1, 0.5)
                twin.set_ylabel('metrics (dashed)')
                handles |= _draw_lines(twin, epochs, lines['metrics'], linestyle='--')
            for mark in (0.1, 0.9) if name == 'connection gates' else ():
                axes.axhline(mark, color=DARK, linewidth=0.9, linestyle=':', gid=f'mark-{mark}')
            axes.legend(handles=list(handles.values()), loc='center left', bbox_to_anchor=spot)
