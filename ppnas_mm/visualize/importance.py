"""Pictures of the importance of operations over a search that prunes them, as SVG or PNG."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .panels import Spot, add_panels, grid_height, grid_width, name_op, spots
from .picture import picture, search_title
from .style import ARROW, DARK, FAINT, PALE, op_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, ROW, ROW_LABEL, TOP = 1.1, 0.25, 1.1, 0.5  # inches


class _Edge(NamedTuple):
    """A choice of an operation: its name and its values in each epoch."""

    name: str
    label: str
    values: dict[str, list[float | None]]  # of each op; None: pruned
    ranking: dict[str, float | None] | None  # by which the last pruning was done

    def gone(self, op: str) -> int | None:
        """Return the number of the first entry without an op."""
        return self.values[op].index(None) if None in self.values[op] else None

    def deciding(self) -> dict[str, float | None]:
        """Return the values before the last pruning, else of the last entry with a choice."""
        if self.ranking is not None:
            return self.ranking
        alive = [len(v) - v.count(None) for v in zip(*self.values.values(), strict=True)]
        when = max((k for k, number in enumerate(alive) if number > 1), default=len(alive) - 1)
        return {op: row[when] for op, row in self.values.items()}

    def survivor(self) -> str | None:
        """Return the op that is left, where it is only one."""
        left = [op for op in self.values if self.gone(op) is None]
        return left[0] if len(left) == 1 else None


class _History(NamedTuple):
    """What the record of a search says about importance."""

    title: str
    epochs: list[int]
    cells: dict[str, list[_Edge]]

    def edges(self) -> list[_Edge]:
        """Return the edges of all cells."""
        return [edge for edges in self.cells.values() for edge in edges]

    def numbers(self) -> list[float]:
        """Return all values, sorted."""
        rows = [row for edge in self.edges() for row in edge.values.values()]
        return sorted(v for row in rows for v in row if v is not None)

    def ops(self) -> list[str]:
        """Return the ops of all edges, sorted."""
        return sorted({op for edge in self.edges() for op in edge.values})


def _edge(name: str, label: str, choices: Mapping[str, Any], entries: list) -> _Edge:
    """Return the values of one choice."""
    rows, candidates = [entry['importance'][name] for entry in entries], choices[name]['candidates']
    numbers = [[None if v is None else float(v) for v in row] for row in rows]
    values = dict(zip(candidates, map(list, zip(*numbers, strict=True)), strict=True))
    final = entries[-1].get('ranking', {}).get(name)
    ranking = final and dict(zip(candidates, final, strict=True))
    return _Edge(name, label, values, ranking)


def _read(record: Mapping[str, Any]) -> _History:
    """Return the importance of operations; epochs before the first are left out."""
    try:
        entries = [epoch for epoch in record['epochs'] if 'importance' in epoch]
        choices = record['choices']
        names = entries[0]['importance'] if entries else ()
        cells: dict[str, list[_Edge]] = {}
        bands = spots(n for n in names if not choices[n]['gates'])
        for own in (own for band in bands for own in band):
            cells[own[0].cell] = [_edge(s.name, s.label, choices, entries) for s in own]
        epochs = [int(entry['epoch']) for entry in entries]
        history = _History(search_title(record), epochs, cells)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None
    if not history.numbers():
        raise ValueError('the record of the search has no importance')
    return history


def _draw_edge(axes: Axes, edge: _Edge, history: _History) -> None:
    """Draw the lines of one edge; for the ids in the SVG see :func:`draw_importance`."""
    best, marker = edge.survivor(), '.' if len(history.epochs) < 20 else ''
    ends = {history.epochs[k] for op in edge.values if (k := edge.gone(op))}
    for epoch in sorted(ends):
        axes.axvline(epoch, color=FAINT, linewidth=0.5, gid=f'{edge.name}-pruning-{epoch}')
    for i, (op, row) in enumerate(edge.values.items()):
        colour, gid, end = op_colour(op), f'{edge.name}[{i}]', edge.gone(op)
        line: dict[str, Any] = dict(color=colour, linewidth=2.4 if op == best else 0.9)
        line |= dict(gid=gid, marker=marker, markersize=5, zorder=2 if op == best else 3)
        known = [v for v in row[:end] if v is not None]
        axes.plot(history.epochs[:end], known, **line)
        if end:
            line |= dict(gid=f'{gid}-pruned', marker='x', markersize=4, markevery=[1], zorder=4)
            axes.plot(history.epochs[end - 1 : end + 1], [known[-1]] * 2, **line)
    if best is not None:
        name_op(axes, best, op_colour(best), f'{edge.name}-survivor')


def _limits(numbers: list[float]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis: a hundredth of scattered values may lie below."""
    low, high = numbers[0], numbers[-1]
    if low < high / 50:
        low = max(numbers[len(numbers) // 100], high / 1000)
    return (0.85 * low, 1.15 * high) if high > 0 else (0.1, 1)


def _draw_cell(figure: Figure, top: float, own: list[Spot], history: _History) -> None:
    """Draw the edges of one cell as a grid below ``top`` (inches)."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    low, high = _limits(history.numbers())
    look = dict(yscale='log', ylim=(low, high))
    panels = add_panels(figure, top, own, PANEL, 'importance', **look)
    for edge in history.cells[own[0].cell]:
        axes = panels[edge.name]
        axes.set_xlim(history.epochs[0] - 1, history.epochs[-1] + 1)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
        axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
        axes.yaxis.set_minor_locator(NullLocator())
        _draw_edge(axes, edge, history)


def draw_importance(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw the importance of each operation over the epochs, one panel for each edge.

    An edge is in the row of its node and the column of its source, labelled as in the
    picture of the genotype.  A cross marks the epoch after which an operation was gone, at its
    last value before; the operation that is left has a thick line and its name.  The axis is
    logarithmic, as fewer and fewer operations share one sum; rare low values fall below it.

    In the SVG the name of a choice is the id of its panel, ``NAME[i]`` of a line,
    ``NAME[i]-pruned`` of its cross and ``NAME-pruning-EPOCH`` of a vertical line.

    Args:
        record: The content of ``search.json``, with ``importance`` in its epochs.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record has no importance.
    """
    from matplotlib.lines import Line2D

    history = _read(record)
    bands = spots(edge.name for edge in history.edges())
    width = max(5.0, grid_width(bands))
    looks = [(op, op_colour(op), '') for op in history.ops()] + [('pruned', ARROW, 'x')]
    each = max(1.7, 0.6 + 0.085 * max(map(len, history.ops())))
    columns = max(1, min(int(width / each), len(looks)))
    foot = 0.2 * math.ceil(len(looks) / columns)
    height = TOP + grid_height(bands, PANEL) + foot
    top = TOP
    with picture(path) as figure:
        figure.set_size_inches(width + 0.1, height)
        figure.suptitle(f'{history.title}: importance of operations', y=1 - 0.1 / height)
        for band in bands:
            for own in band:
                _draw_cell(figure, top, own, history)
            top += grid_height([band], PANEL)
        handles = [Line2D([], [], color=c, label=op, marker=m, lw=2) for op, c, m in looks]
        figure.legend(handles=handles, loc='lower center', ncols=columns, frameon=False)


def _draw_row(axes: Axes, y: float, edge: _Edge, history: _History, ends: tuple) -> None:
    """Draw the line of an edge in the table; ``ends``: the values of the palest, darkest box."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    look: dict[str, Any]
    (low, high), values, best = ends, edge.deciding(), edge.survivor()
    axes.text(-0.1, y + 0.5, edge.label, ha='right', va='center', color=DARK)
    for i, (op, row) in enumerate(edge.values.items()):
        x, value, gid = history.ops().index(op), values[op], f'{edge.name}[{i}]'
        write: dict[str, Any] = dict(ha='center', va='center', fontsize=8, gid=gid)
        if value is None:
            words = f'†{history.epochs[row.index(None)]}'
            look, write['color'] = {'fc': PALE}, ARROW
        else:
            share = (value - low) / (high - low or 1)
            words = f'{value:.3f}'
            look = {'fc': colormaps['Greys'](0.05 + 0.65 * share)}
            write['color'] = 'white' if share > 0.8 else DARK
        look |= {'ec': 'white', 'linewidth': 1, 'clip_on': False, 'gid': f'box-{gid}'}
        if op == best:
            look |= {'ec': DARK, 'linewidth': 1.6, 'zorder': 2}
            write |= {'fontweight': 'bold', 'zorder': 3}
        axes.add_patch(Rectangle((x, y), 1, 1, **look))
        axes.text(x + 0.5, y + 0.5, words, **write)


def draw_importance_table(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw a table of importance: a row for each edge, a column for each operation.

    The values are those before the last pruning (``ranking`` of the last epoch), else at the end of
    the last epoch that left the edge a choice.  An operation
    that was gone by then shows the epoch after which it was; what is left in the end has a frame.

    In the SVG ``NAME[i]`` is the id of an entry, ``box-NAME[i]`` of its box, ``op-CELL-OP`` of the
    colour of an operation.

    Args:
        record: The content of ``search.json``, with ``importance`` in its epochs.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record has no importance.
    """
    from matplotlib.patches import Rectangle

    history = _read(record)
    ops, values = history.ops(), []
    for edge in history.edges():
        values += [v for v in edge.deciding().values() if v is not None]
    column = 0.15 + 0.07 * max(map(len, ops))
    rows = len(history.edges()) + 1.4 * len(history.cells)
    width, height = ROW_LABEL + column * len(ops) + 0.2, ROW * rows + 0.65
    width = max(width, 6.5)
    with picture(path) as figure:
        figure.set_size_inches(width, height)
        figure.suptitle(f'{history.title}: importance of operations', y=1 - 0.1 / height)
        box = (0, 0.3 / height, 1, ROW * rows / height)
        axes = figure.add_axes(box, frame_on=False, xticks=[], yticks=[])
        left = -ROW_LABEL / column
        axes.axis((left, left + width / column, rows, 0))
        y = 0.0
        for name, edges in history.cells.items():
            look: dict[str, Any] = dict(va='center', color=DARK)
            axes.text(-0.1, y + 0.85, name, ha='right', fontweight='bold', **look)
            for x, op in enumerate(ops):
                axes.text(x + 0.5, y + 0.8, op, ha='center', fontsize=8, **look)
                strip: dict[str, Any] = dict(fc=op_colour(op), ec='white', gid=f'op-{name}-{op}')
                axes.add_patch(Rectangle((x, y + 1.16), 1, 0.2, **strip))
            y += 1.4
            for edge in edges:
                _draw_row(axes, y, edge, history, (min(values), max(values)))
                y += 1
        note = 'before the last pruning of the edge; frame: what is left, †N: gone after epoch N'
        figure.text(0.5, 0.1 / height, note, ha='center', color=ARROW, fontsize=8)
