"""Small panels, one for each choice of an operation, in the order of the cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..utils.choice_key import ChoiceKey
from .picture import node_label, printable
from .style import DARK, FAINT, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, LABEL, HEADING, TICKS, LEFT, GAP = 1.75, 0.3, 0.06, 0.68, 0.65, 0.2  # inches
COLUMNS, ASIDE = 6, 5
"""Largest number of panels in a line, and of cells side by side."""


class Spot(NamedTuple):
    """A choice of an operation: its name, and its line and column in its cell."""

    name: str
    cell: str
    label: str
    line: int
    column: int


def place(name: str) -> tuple[str, str, int, int]:
    """Return cell, label, row and column: an edge goes to row node and column source.

    Raises:
        ValueError: If it is not the name of a choice of an operation.
    """
    key = ChoiceKey.parse(name)
    if key.gates:
        raise ValueError(f'{name!r:.60} is not the choice of an operation')
    label = node_label(key.node)
    if key.source is None:
        return key.cell, label, 0, key.node
    return key.cell, f'{node_label(key.source)} → {label}', key.node, key.source


def spots(names: Iterable[str]) -> list[list[list[Spot]]]:
    """Return bands, from the top: the panels of cells that are side by side.

    A row of more than six panels continues in the next line.

    Raises:
        ValueError: If a name is not that of a choice of an operation.
    """
    places = [(name, *place(name)) for name in names]
    bands: list[list[list[Spot]]] = []
    taken = ASIDE
    for cell in dict.fromkeys(at[1] for at in places):
        own = [at for at in places if at[1] == cell]
        rows, columns = sorted({at[3] for at in own}), sorted({at[4] for at in own})
        lines = (len(columns) - 1) // COLUMNS + 1
        shift = taken if taken + len(columns) <= ASIDE else 0
        taken = shift + len(columns)
        panels = []
        for name, _, label, row, column in own:
            line, column = divmod(columns.index(column), COLUMNS)
            panels.append(Spot(name, cell, label, rows.index(row) * lines + line, column + shift))
        if not shift:
            bands.append([])
        bands[-1].append(panels)
    return bands


def _left(column: int, own: list[Spot]) -> float:
    """Return where a column of panels begins, with a gap between cells (inches)."""
    return LEFT + column * (WIDTH + GAP) + (0.45 if min(spot.column for spot in own) else 0)


def grid_width(bands: list[list[list[Spot]]]) -> float:
    """Return the width of the panels in inches."""
    ends = [_left(s.column + 1, own) for band in bands for own in band for s in own]
    return max(ends, default=LEFT)


def grid_height(bands: list[list[list[Spot]]], high: float) -> float:
    """Return the height of the panels of bands, each ``high`` inches."""
    lines = [1 + max(spot.line for own in band for spot in own) for band in bands]
    return sum(HEADING + n * (high + LABEL) + TICKS for n in lines)


def add_panels(
    figure: Figure, top: float, own: list[Spot], high: float, ylabel: str, **look: Any
) -> dict[str, Axes]:
    """Add the panels of one cell below ``top`` and name the cell.

    Args:
        figure: The page; its size is set.
        top: Where the cell begins, in inches.
        own: The cell's panels.
        high: Height of a panel, in inches.
        ylabel: Beside the first panel of each line.
        **look: Of the axes.

    Returns:
        The axes of each choice; its name is their id in the SVG.
    """
    width, height = figure.get_size_inches()
    taken, found = {(spot.line, spot.column) for spot in own}, {}
    start = min(spot.column for spot in own)
    words: dict[str, Any] = dict(fontsize=11, fontweight='bold', color=DARK)
    x = _left(start, own) - LEFT + 0.1
    figure.text(x / width, 1 - top / height, printable(own[0].cell), **words)
    for spot in own:
        x = _left(spot.column, own)
        y = top + HEADING + (spot.line + 1) * (high + LABEL)
        box = (x / width, 1 - y / height, WIDTH / width, high / height)
        axes = figure.add_axes(box, gid=spot.name, **look)
        axes.locator_params(axis='x', integer=True, nbins=5, min_n_ticks=1)
        first, last = spot.column == start, (spot.line + 1, spot.column) not in taken
        axes.tick_params(labelsize=8, color=FAINT, labelleft=first, labelbottom=last)
        axes.spines[['top', 'right']].set_visible(False)
        axes.set(xlabel='epoch' if last else '', ylabel=ylabel if first else '')
        axes.text(0, 1.06, spot.label, transform=axes.transAxes, color=DARK)
        found[spot.name] = axes
    return found


def name_op(axes: Axes, op: str, colour: str, gid: str) -> None:
    """Write the operation that a panel ends with above its right end."""
    room = 0.6 if len(op) < 13 else 0.8  # of the panel's width
    size = min(8.0, 72 * WIDTH * room / (0.62 * len(op)))
    box = dict(ec=colour, fc=colour + LIGHT, boxstyle='round,pad=0.15', linewidth=0.7)
    look: dict[str, Any] = dict(ha='right', fontsize=size, color=DARK, bbox=box, gid=gid)
    axes.text(1, 1.08, op, transform=axes.transAxes, **look)
