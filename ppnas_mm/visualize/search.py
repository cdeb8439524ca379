"""Picture of the course of a search, as SVG or PNG: losses, gates of each cell, weights of ops."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..utils.choice_key import ChoiceKey
from .panels import GAP, LABEL, LEFT, TICKS, add_panels, grid_height, grid_width, name_op, spots
from .picture import picture, printable, search_title
from .style import DARK, PALETTE, op_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = {'ends < 0.1': PALETTE[6], 'ends between': PALETTE[1], 'ends > 0.9': PALETTE[2]}
TOP, PAGE, CHARACTER, LEGEND, WORDS, COLUMN = 0.45, 9.0, 0.085, 1.7, 0.22, 1.7  # inches
LOSSES, GATES, PANEL = 2.0, 1.4, 0.85  # inches high
WIDER = 0.85  # the left margin of losses, which have more digits
GATE_COLUMNS = 4


class _Line(NamedTuple):
    """A curve over the epochs."""

    gid: str
    label: str
    colour: str
    row: list[float | None]  # a value or None an epoch

    def points(self, epochs: list[int]) -> list[tuple[int, float]]:
        """Return the epochs that have a value, with it."""
        return [(x, y) for x, y in zip(epochs, self.row, strict=True) if y is not None]


class _Course(NamedTuple):
    """What the record of a search says."""

    title: str
    epochs: list[int]
    losses: list[_Line]
    metrics: list[_Line]
    gates: dict[str, list[_Line]]  # of each cell
    ops: dict[str, list[_Line]]  # of each choice

    def legend(self) -> dict[str, str]:
        """Return the colour of each op."""
        return {line.label: line.colour for lines in self.ops.values() for line in lines}


def _gate_lines(name: str, candidates: list, rows: list) -> list[_Line]:
    """Return the lines of a choice of connections, coloured by their last value."""
    lines = []
    for i in range(len(candidates)):
        row = [values and values[i] for values in rows]
        last = [0.5, *(v for v in row if v is not None and math.isfinite(v))][-1]
        label = tuple(LEVELS)[(last >= 0.1) + (last > 0.9)]
        lines.append(_Line(f'{name}[{i}]', label, LEVELS[label], row))
    return lines


def _read(record: Mapping[str, Any]) -> _Course:
    """Return the data to draw; raise ``ValueError`` if the record is not that of a search."""
    cycle = itertools.cycle(PALETTE)
    try:
        entries, groups = record['epochs'], {}
        for group in ('losses', 'metrics'):
            names = dict.fromkeys(name for entry in entries for name in entry.get(group, {}))
            groups[group] = [
                _Line(n, n, next(cycle), [e.get(group, {}).get(n) for e in entries]) for n in names
            ]
        gates: dict[str, list[_Line]] = {}
        ops: dict[str, list[_Line]] = {}
        for name, choice in record['choices'].items():
            rows, candidates = [e.get('architecture', {}).get(name) for e in entries], []
            if any(rows):
                candidates = choice['candidates']
            if candidates and choice['gates']:
                lines = _gate_lines(name, candidates, rows)
                gates.setdefault(ChoiceKey.parse(name).cell, []).extend(lines)
            elif candidates:
                ops[name] = [
                    _Line(f'{name}[{i}]', op, op_colour(op), [row and row[i] for row in rows])
                    for i, op in enumerate(candidates)
                ]
        epochs = [entry['epoch'] for entry in entries]
        course = _Course(search_title(record), epochs, **groups, gates=gates, ops=ops)
        spots(ops)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None
    if not course.losses and not gates and not ops:
        raise ValueError('the record of the search has no values to draw')
    return course


def _draw_lines(axes: Axes, epochs: list[int], lines: list[_Line], **style: Any) -> dict[str, Any]:
    """Draw lines across the epochs without a value; return one line of each label."""
    drawn = {}
    for line in lines:
        points = line.points(epochs)
        look = style | dict(color=line.colour, gid=line.gid, label=line.label)
        look |= dict(marker='.', markersize=5 if len(points) < 20 else 2)
        (drawn[line.label],) = axes.plot([x for x, _ in points], [y for _, y in points], **look)
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    return drawn


def _heading(figure: Figure, top: float, words: str, colours: Mapping[str, str]) -> float:
    """Write the name and the legend of a section; return where its panels begin."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1 - (top + 0.13) / height, words, fontsize=11, color=DARK)
    handles = [Line2D([], [], color=c, label=label, lw=2) for label, c in colours.items()]
    columns = _columns(colours, width)
    box = (LEGEND / width, 1 - top / height)
    look: dict[str, Any] = dict(ncols=columns, frameon=False, borderaxespad=0)
    figure.legend(handles=handles, loc='upper left', bbox_to_anchor=box, **look)
    return top + 0.1 + WORDS * math.ceil(len(colours) / columns)


def _columns(labels: Mapping[str, str], width: float) -> int:
    """Return the number of columns of a legend."""
    each = max(COLUMN, 0.6 + CHARACTER * max(map(len, labels)))
    return max(1, min(len(labels), int((width - LEGEND) / each)))


def _draw_losses(figure: Figure, top: float, course: _Course) -> float:
    """Draw losses and metrics below ``top``; return where they end (inches)."""
    width, height = figure.get_size_inches()
    lines = course.losses + course.metrics
    words = 0.75 + CHARACTER * max(len(line.label) for line in lines)
    inside = width - WIDER - words - 0.55 * bool(course.metrics)
    box = (WIDER / width, 1 - (top + LOSSES) / height, inside / width, LOSSES / height)
    axes = figure.add_axes(box, xlabel='epoch', ylabel='losses')
    axes.locator_params(axis='x', integer=True, min_n_ticks=1)
    axes.locator_params(axis='y', nbins=6)
    handles = _draw_lines(axes, course.epochs, course.losses, linewidth=1.5)
    if course.metrics:
        twin = axes.twinx()
        twin.set_ylabel('metrics (dashed)')
        handles |= _draw_lines(twin, course.epochs, course.metrics, linestyle='--')
    at = (1 + (0.1 + 0.55 * bool(course.metrics)) / inside, 0.5)
    axes.legend(handles=list(handles.values()), loc='center left', bbox_to_anchor=at)
    return top + LOSSES + TICKS


def _limits(groups: Mapping[str, list[_Line]]) -> tuple[float, float]:
    """Return the ends of the axis that all panels of a section share: from 0, if values differ."""
    rows = [line.row for lines in groups.values() for line in lines]
    values = [v for row in rows for v in row if v is not None and math.isfinite(v)]
    least, most = min(values, default=0.0), max(values, default=1.0)
    if least > 0.7 * most:
        rim = 0.1 * (most - least) or 0.1 * most
        return least - rim, most + rim
    return (-0.03, 1.03) if most > 0.5 else (-0.03 * most, 1.2 * most or 1.0)


def _draw_gates(figure: Figure, top: float, course: _Course) -> float:
    """Draw a panel of gates for each cell below ``top``; return where they end (inches)."""
    width, height = figure.get_size_inches()
    ends = {line.label for lines in course.gates.values() for line in lines}
    top = _heading(figure, top, 'connection gates', {k: c for k, c in LEVELS.items() if k in ends})
    columns = min(len(course.gates), GATE_COLUMNS)
    each = (width - LEFT - 0.1) / columns
    for k, (cell, lines) in enumerate(course.gates.items()):
        row, column = divmod(k, columns)
        y = top + LABEL + row * (GATES + LABEL + TICKS)
        box = ((LEFT + column * each) / width, 1 - (y + GATES) / height)
        axes = figure.add_axes((*box, (each - GAP) / width, GATES / height), gid=f'gates-{cell}')
        axes.set(xlabel='epoch', ylabel='' if column else 'gate', ylim=_limits(course.gates))
        axes.set_title(printable(cell), loc='left', fontsize=11, fontweight='bold', color=DARK)
        axes.tick_params(labelsize=8, labelleft=not column)
        axes.locator_params(axis='x', integer=True, nbins=5, min_n_ticks=1)
        axes.spines[['top', 'right']].set_visible(False)
        _draw_lines(axes, course.epochs, lines, linewidth=0.7)
        for mark in (0.1, 0.9):
            gid = f'mark-{mark}-{cell}' if k else f'mark-{mark}'
            axes.axhline(mark, color=DARK, linewidth=0.9, linestyle=':', gid=gid)
    return top + math.ceil(len(course.gates) / columns) * (GATES + LABEL + TICKS)


def _strongest(lines: list[_Line]) -> _Line | None:
    """Return the operation with the largest last weight, if it is only one."""
    alive = [line for line in lines if line.row[-1] is not None and math.isfinite(line.row[-1])]
    alive.sort(key=lambda line: line.row[-1] or 0.0, reverse=True)
    if not alive or (len(alive) > 1 and alive[0].row[-1] == alive[1].row[-1]):
        return None
    return alive[0]


def _draw_ops(figure: Figure, top: float, course: _Course) -> None:
    """Draw a panel of weights for each choice of an operation below ``top``."""
    top = _heading(figure, top, 'op weights', course.legend())
    for band in spots(course.ops):
        panels: dict[str, Axes] = {}
        for own in band:
            look = dict(ylim=_limits(course.ops))
            panels |= add_panels(figure, top + 0.2, own, PANEL, 'weight', **look)
        for name, axes in panels.items():
            lines = course.ops[name]
            best = _strongest(lines)
            _draw_lines(axes, course.epochs, [x for x in lines if x is not best], linewidth=0.9)
            if best is not None:
                _draw_lines(axes, course.epochs, [best], linewidth=2.0)
                name_op(axes, best.label, best.colour, f'{name}-strongest')
        top += grid_height([band], PANEL)


def _height(course: _Course, width: float) -> float:
    """Return the height of the page (inches)."""
    height = TOP + (LOSSES + TICKS) * bool(course.losses or course.metrics)
    if course.gates:
        rows = math.ceil(len(course.gates) / GATE_COLUMNS)
        height += 0.1 + WORDS + rows * (GATES + LABEL + TICKS)
    if course.ops:
        legend = course.legend()
        height += 0.3 + WORDS * math.ceil(len(legend) / _columns(legend, width))
        height += grid_height(spots(course.ops), PANEL)
    return height


def draw_search(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw losses, connection gates and op weights of a search over its epochs.

    Gates have a panel for each cell.  Weights of operations have one for each choice, with an edge
    in the row of its node and the column of its source; the operation with the largest last weight
    has a thick line and its name.

    In the SVG ``gates-CELL`` and the name of a choice are the ids of panels, ``NAME[i]`` of lines,
    ``NAME-strongest`` of the name of an operation.

    Args:
        record: The content of ``search.json``; a panel without data is left out.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record is not one of a search.
    """
    course = _read(record)
    width = max(PAGE, grid_width(spots(course.ops)) + 0.1)
    with picture(path) as figure:
        figure.set_size_inches(width, _height(course, width))
        figure.suptitle(course.title, y=1 - 0.1 / figure.get_figheight())
        top = TOP
        if course.losses or course.metrics:
            top = _draw_losses(figure, top, course)
        if course.gates:
            top = _draw_gates(figure, top, course)
        if course.ops:
            _draw_ops(figure, top, course)
