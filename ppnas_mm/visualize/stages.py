"""Pictures of a search whose super-net shrinks and expands (SE-NAS), as SVG or PNG."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from .panels import place
from .picture import picture, search_title
from .style import ARROW, DARK, FAINT, PALETTE, op_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX, GAP, TOP, MARGIN = (0.42, 0.25), 0.12, 0.45, 0.15  # inches; GAP: between two cells
SLANT, CHARACTER, HOOK, FOOT, WIDTH = 40, 0.075, 0.09, 0.95, 7.5  # degrees, then inches
CURVE = PALETTE[0]
CURVES = {
    'log10_size': 'log₁₀ of the number of architectures',
    'operations': 'operations',
    'parameters': 'parameters',
    'memory_mib': 'memory (MiB)',
}


class _Row(NamedTuple):
    """A choice of an operation: its position and the fate of its candidates."""

    name: str
    cell: str
    label: str
    dropped: dict[str, int | None]  # stage after which each op was dropped; None: it is left
    selected: set[str]


class _Stages(NamedTuple):
    """What the record of a search says about its super-net."""

    title: str
    rows: list[_Row]
    groups: list[list[str]]  # names of the choices that are merged at the end
    shrinkings: dict[int, int]  # the stage that ended with each epoch
    epochs: list[int]
    curves: dict[str, list[float]]  # a value an epoch

    def ops(self) -> list[str]:
        """Return the ops of all rows in the order of the candidates."""
        return list(dict.fromkeys(op for row in self.rows for op in row.dropped))

    def colours(self) -> dict[int, Any]:
        """Map stages to light greys: the later, the darker."""
        from matplotlib import colormaps

        stages = sorted(set(self.shrinkings.values()))
        last = max(1, len(stages) - 1)
        return {s: colormaps['Greys'](0.06 + 0.2 * k / last) for k, s in enumerate(stages)}

    def models(self, group: list[str]) -> int:
        """Return the number of partial models of merged choices."""
        left = {row.name: list(row.dropped.values()).count(None) for row in self.rows}
        return math.prod(left[name] for name in group)


def _number(value: Any) -> float:
    """Return a finite number."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f'{value!r} is not a finite number')
    return number


def _rows(record: Mapping[str, Any], entries: list) -> list[_Row]:
    """Return the choices of operations."""
    final, rows = entries[-1], {}
    for name, choice in record['choices'].items():
        if not choice['gates']:
            cell, label, _, _ = place(name)
            ops, selected = choice['candidates'], set()
            if 'selection' in final:
                values = zip(ops, final['architecture'][name], strict=True)
                selected = {op for op, value in values if _number(value) > 0.5}
            rows[name] = _Row(name, cell, label, dict.fromkeys(ops), selected)
    for entry in entries:
        for loss in entry['shrinking']['dropped'] if 'shrinking' in entry else ():
            dropped, op = rows[loss['choice']].dropped, loss['op']
            if dropped.get(op, 0) is not None:
                raise ValueError(f'{loss["choice"]} cannot lose {op!r}')
            dropped[op] = int(entry['shrinking']['stage'])
    return list(rows.values())


def _read(record: Mapping[str, Any]) -> _Stages:
    """Return the history of the super-net; epochs without one are left out."""
    try:
        title = search_title(record)
        entries = [epoch for epoch in record['epochs'] if 'super_net' in epoch]
        nets = [entry['super_net'] for entry in entries]
        epochs = [int(entry['epoch']) for entry in entries]
        curves = {k: [_number(n[k]) for n in nets] for k in CURVES if any(k in n for n in nets)}
        shrinkings = {
            epoch: int(entry['shrinking']['stage'])
            for epoch, entry in zip(epochs, entries, strict=True)
            if 'shrinking' in entry
        }
        rows = _rows(record, entries) if entries else []
        merged = (nets[-1].get('merged') or []) if nets else []
        groups = [[n for n in group if not record['choices'][n]['gates']] for group in merged]
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None
    if not rows or not curves:
        raise ValueError('the record of the search has no super-net')
    return _Stages(title, rows, [g for g in groups if g], shrinkings, epochs, curves)


def _draw_box(axes: Axes, at: tuple[float, float], colour: Any, gid: str, words: str = '') -> None:
    """Draw the box of an op with its upper left corner at ``at``."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(at, *BOX, fc=colour, ec='white', linewidth=1.2, gid=f'box-{gid}'))
    x, y = at[0] + BOX[0] / 2, at[1] + BOX[1] / 2
    look: dict[str, Any] = dict(ha='center', va='center_baseline', fontsize=7.5, color=DARK)
    axes.text(x, y, words, gid=gid, **look)


def _draw_selected(axes: Axes, at: tuple[float, float], gid: str) -> None:
    """Draw the dot and the frame of the op that is selected."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = dict(fc='none', ec=DARK, linewidth=1.8, zorder=3)
    axes.add_patch(Rectangle(at, *BOX, gid=f'{gid}-selected', **look))
    x, y = at[0] + BOX[0] / 2, at[1] + BOX[1] / 2
    dot: dict[str, Any] = dict(color='white', mec=DARK, mew=0.8, markersize=6, zorder=3)
    axes.plot([x], [y], 'o', gid=f'{gid}-dot', **dot)


def _draw_grid(axes: Axes, stages: _Stages, left: float, top: float) -> dict[str, float]:
    """Draw all rows below ``top``; return where each begins (inches)."""
    from matplotlib.patches import Rectangle

    ops, colours, starts, y, cell = stages.ops(), stages.colours(), {}, top, None
    write: dict[str, Any] = dict(va='center_baseline', color=DARK)
    for i, op in enumerate(ops):
        x = left + (i + 0.5) * BOX[0]
        axes.text(x, top - 0.11, op, rotation=SLANT, rotation_mode='anchor', color=DARK)
        strip = (left + i * BOX[0], top - 0.07)
        axes.add_patch(Rectangle(strip, BOX[0], 0.05, fc=op_colour(op), ec='white', gid=f'op-{op}'))
    for row in stages.rows:
        middle = y + BOX[1] / 2
        if row.cell != cell:
            y += GAP if cell is not None else 0
            cell, middle = row.cell, y + BOX[1] / 2
            axes.text(MARGIN, middle, cell, fontweight='bold', **write)
        axes.text(left - 0.08, middle, row.label, ha='right', **write)
        for i, (op, stage) in enumerate(row.dropped.items()):
            at, gid = (left + ops.index(op) * BOX[0], y), f'{row.name}[{i}]'
            colour, words = (op_colour(op), '') if stage is None else (colours[stage], str(stage))
            _draw_box(axes, at, colour, gid, words)
            if op in row.selected:
                _draw_selected(axes, at, gid)
        starts[row.name] = y
        y += BOX[1]
    return starts


def _draw_brackets(axes: Axes, stages: _Stages, x: float, starts: dict[str, float]) -> None:
    """Draw what is merged at the end, right of the grid."""
    for k, group in enumerate(stages.groups):
        ends = [starts[name] for name in group]
        top, bottom = min(ends) + 0.05, max(ends) + BOX[1] - 0.05
        line: dict[str, Any] = dict(color=ARROW, linewidth=1.3, solid_joinstyle='miter')
        xs = [x, x + HOOK, x + HOOK, x]
        axes.plot(xs, [top, top, bottom, bottom], gid=f'merged-{k}', **line)
        number = stages.models(group)
        words = f'{number:,} partial model{"s" * (number != 1)}'
        look: dict[str, Any] = dict(va='center_baseline', fontsize=8, color=ARROW)
        axes.text(x + HOOK + 0.07, (top + bottom) / 2, words, gid=f'merged-{k}-models', **look)


def _draw_key(axes: Axes, stages: _Stages, left: float, top: float) -> None:
    """Draw the meaning of the colours below ``top``."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = dict(va='center_baseline', fontsize=8, color=DARK)
    left_over = list(dict.fromkeys(op for row in stages.rows for op, s in row.dropped.items()
                                   if s is None))  # fmt: skip
    size = BOX[0] / max(1, len(left_over))
    for k, op in enumerate(left_over):
        at = (left + k * size, top)
        axes.add_patch(Rectangle(at, size, BOX[1], fc=op_colour(op), lw=0, gid=f'key-left-{op}'))
    words = 'left at the end, in the colour of its operation'
    axes.text(left + BOX[0] + 0.08, top + BOX[1] / 2, words, **look)
    if any(row.selected for row in stages.rows):
        x = left + BOX[0] + 3.0
        _draw_selected(axes, (x, top), 'key')
        axes.text(x + BOX[0] + 0.08, top + BOX[1] / 2, 'selected', **look)
    colours, top = stages.colours(), top + BOX[1] + 0.08
    if not colours:
        return
    width = min(0.28, 2.8 / len(colours))
    every, middle = math.ceil(0.2 / width), top + BOX[1] / 2
    for k, (stage, colour) in enumerate(colours.items()):
        x, words = left + k * width, str(stage) if k % every == 0 else ''
        box = Rectangle((x, top), width, BOX[1], fc=colour, ec='white', linewidth=0.6)
        box.set_gid(f'key-{stage}')
        axes.add_patch(box)
        centred = look | dict(ha='center', fontsize=7.5)
        axes.text(x + width / 2, middle, words, **centred)
    axes.text(left + len(colours) * width + 0.08, middle, 'dropped after this stage', **look)


def draw_stages(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw which operations survive each stage and which choices are merged at the end.

    A row is a choice of an operation, labelled as in the picture of the genotype; a column is an
    operation.  A box has the number and the grey of the stage after which its operation was
    dropped, or the colour of a remaining operation; the selected operation has a frame and a dot.
    A bracket marks merged choices, with the number of their partial models, which is the product
    of the numbers of remaining operations.

    In the SVG ``NAME[i]`` is the id of the words of an operation, ``box-NAME[i]`` of its box,
    ``NAME[i]-selected`` of its frame, ``merged-K`` of a bracket, ``merged-K-models`` of its
    number, ``key-STAGE`` of a shade in the key and ``op-OP`` of the colour of an operation.

    Args:
        record: The content of ``search.json``, with ``super_net`` in its epochs.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record has no super-net.
    """
    stages = _read(record)
    ops = stages.ops()
    names, labels = [row.cell for row in stages.rows], [row.label for row in stages.rows]
    left = MARGIN + 0.09 * max(map(len, names)) + 0.06 * max(map(len, labels)) + 0.15
    right, slant = left + BOX[0] * len(ops), math.radians(SLANT)
    reach = [right, left + 4.5]
    reach += [left + (i + 0.6) * BOX[0] + CHARACTER * len(op) * math.cos(slant)
              for i, op in enumerate(ops)]  # fmt: skip
    if stages.groups:
        reach.append(right + 1.6)
    heading = f'{stages.title}: operations of the super-net'
    width = max(max(reach), CHARACTER * 1.3 * len(heading)) + MARGIN
    top = TOP + CHARACTER * max(map(len, ops)) * math.sin(slant) + 0.15
    bottom = top + BOX[1] * len(names)
    bottom += GAP * sum(a != b for a, b in pairwise(names))
    height = bottom + FOOT - (0 if stages.shrinkings else BOX[1] + 0.08)
    with picture(path) as figure:
        figure.set_size_inches(width, height)
        figure.suptitle(heading, y=1 - 0.1 / height)
        axes = figure.add_axes((0, 0, 1, 1), frame_on=False, xticks=[], yticks=[])
        axes.axis((0, width, height, 0))
        starts = _draw_grid(axes, stages, left, top)
        _draw_brackets(axes, stages, right + 0.08, starts)
        _draw_key(axes, stages, left, bottom + 0.2)


def _draw_curve(axes: Axes, name: str, stages: _Stages) -> None:
    """Draw one number over the epochs; a shrinking acts at the end of its epoch."""
    from matplotlib.ticker import EngFormatter

    values, write = stages.curves[name], EngFormatter(sep='') if name == 'parameters' else None
    line: dict[str, Any] = dict(where='post', color=CURVE, linewidth=1.8, gid=name)
    axes.step(stages.epochs, values, **line)
    axes.fill_between(stages.epochs, values, step='post', color=CURVE, alpha=0.12, lw=0)
    for epoch in stages.shrinkings:
        look: dict[str, Any] = dict(color=ARROW, linewidth=0.8, linestyle=':', zorder=1)
        axes.axvline(epoch, gid=f'{name}-shrinking-{epoch}', **look)
    most = max(values) or 1
    axes.set_ylim(-0.03 * most, 1.12 * most)  # a line at 0 is whole
    axes.locator_params(axis='y', nbins=4)
    ends = [f'{v:,.4g}' if write is None or v < 1 else EngFormatter(sep='', places=2)(v)
            for v in (values[0], values[-1])]  # fmt: skip
    words = f'{CURVES[name]}: ' + ' → '.join(dict.fromkeys(ends))
    pad = 15 if name == next(iter(stages.curves)) else 5  # over the numbers of the stages
    axes.set_title(words, loc='left', fontsize=9, color=DARK, pad=pad)
    if write is not None:
        axes.yaxis.set_major_formatter(write)
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=8, color=FAINT)


def draw_growth(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw the size of a super-net over the epochs, one panel for each number.

    The panels show log10 of the number of architectures, the numbers of operations and of
    parameters, and the memory in MiB, as far as the record has them, at the end of each epoch.  A
    dotted line marks an epoch that ended with a shrinking, its number the stage.

    In the SVG ``log10_size``, ``operations``, ``parameters`` and ``memory_mib`` are the ids of the
    lines, ``NAME-shrinking-EPOCH`` of a vertical line and ``stage-N`` of the number of a stage.

    Args:
        record: The content of ``search.json``, with ``super_net`` in its epochs.
        path: The picture to write, ``.svg`` or ``.png``.

    Raises:
        ValueError: If ``path`` has another suffix or the record has no super-net.
    """
    stages = _read(record)
    first, last = min(stages.epochs), max(stages.epochs)
    height = 1.35 * len(stages.curves) + 1.0
    box: dict[str, Any] = dict(left=0.6 / WIDTH, right=1 - 0.15 / WIDTH, hspace=0.4)
    box |= dict(top=1 - 0.8 / height, bottom=0.5 / height)
    with picture(path) as figure:
        figure.set_size_inches(WIDTH, height)
        figure.suptitle(f'{stages.title}: size of the super-net', y=1 - 0.1 / height)
        grid: dict[str, Any] = dict(sharex=True, squeeze=False, gridspec_kw=box)
        panels = figure.subplots(len(stages.curves), **grid)[:, 0]
        for axes, name in zip(panels, stages.curves, strict=True):
            _draw_curve(axes, name, stages)
        label = 'epoch; dotted: a shrinking, above it its stage' if stages.shrinkings else 'epoch'
        panels[-1].set(xlabel=label, xlim=(first - 0.5, last + 0.5))
        panels[-1].locator_params(axis='x', integer=True, min_n_ticks=1)
        top = panels[0].get_xaxis_transform()
        for epoch, stage in _sparse(stages.shrinkings, 0.22 * (last - first + 1) / WIDTH).items():
            look: dict[str, Any] = dict(ha='center', va='bottom', fontsize=7, color=ARROW)
            panels[0].text(epoch, 1, f'{stage}', transform=top, gid=f'stage-{stage}', **look)


def _sparse(shrinkings: Mapping[int, int], gap: float) -> dict[int, int]:
    """Return those shrinkings whose epochs are at least ``gap`` apart."""
    kept: dict[int, int] = {}
    for epoch in sorted(shrinkings):
        if not kept or epoch - max(kept) >= gap:
            kept[epoch] = shrinkings[epoch]
    return kept
