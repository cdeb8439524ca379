"""What the report of a search shows: its record as compact data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..utils.choice_key import ChoiceKey
from .picture import node_label, printable
from .style import PALETTE, op_colour

ON = 0.9
"""A gate above this is on, unless the settings say otherwise (PP-NAS, Section III-C)."""
UNDECIDED = 'undecided'


class Choice(NamedTuple):
    """A choice of a search, and its shares in each epoch.

    Attributes:
        name: Its name in the record.
        key: The same, parsed.
        options: Its candidates: operations, or numbers of nodes for gates.
        rows: The shares of each epoch, in the order of ``options``; ``None``: not recorded.
    """

    name: str
    key: ChoiceKey
    options: list[str]
    rows: list[list[float] | None]

    @property
    def label(self) -> str:
        """The choice in words, e.g. ``normal: x⁽¹⁾ → x⁽³⁾``."""
        node, source = node_label(self.key.node), self.key.source
        words = f'{node_label(source)} → {node}' if source is not None else node
        return f'{printable(self.key.cell)}: {"inputs of " if self.key.gates else ""}{words}'

    def strongest(self, row: Sequence[float] | None, on: float = ON) -> tuple[int, ...]:
        """Return the gates that are on, or the operation with the largest share.

        Nothing is strongest where every share is 0 (pruned), none is recorded, or the largest are
        equal.
        """
        if row is None or not any(row):
            return ()
        if self.key.gates:
            return tuple(i for i, share in enumerate(row) if share > on)
        best = max(row)
        return (row.index(best),) if row.count(best) == 1 else ()

    def since(self, epochs: Sequence[int], on: float = ON) -> int | None:
        """Return the epoch from which the strongest candidate never changed again.

        ``None``: the largest shares are equal, so nothing is decided.
        """
        if self.words(on) == UNDECIDED:
            return None
        last, first = self.strongest(self.rows[-1], on), epochs[-1]
        for epoch, row in zip(reversed(epochs), reversed(self.rows), strict=True):
            if self.strongest(row, on) != last:
                break
            first = epoch
        return first

    def words(self, on: float = ON) -> str:
        """Return the strongest candidates of the last epoch, e.g. ``conv_3x3``."""
        row = self.rows[-1] if self.rows else None
        best = [self.options[i] for i in self.strongest(row, on)]
        if self.key.gates:
            return ', '.join(node_label(int(option)) for option in best) or 'none is on'
        return best[0] if best else UNDECIDED if row and any(row) else 'pruned'

    def kept(self, cells: Sequence[Mapping[str, Any]]) -> str:
        """Return what an architecture keeps of this choice, in words.

        Args:
            cells: Its cells, as in ``genotype.json``.
        """
        nodes = {
            (cell['name'], number): edges
            for cell in cells
            for number, edges in enumerate(cell['nodes'], cell['inputs'])
        }
        edges = nodes.get((self.key.cell, self.key.node), [])
        if self.key.gates:
            return ', '.join(
                node_label(i) for i in sorted({i for e in edges for i in e['sources']})
            )
        source = self.key.source
        own = [edge['op'] for edge in edges if source is None or source in edge['sources']]
        return own[0] if own else 'not kept'


def choices_of(record: Mapping[str, Any]) -> list[Choice]:
    """Return the choices of a record that have shares.

    Raises:
        ValueError: If the record is not one of a search.
    """
    try:
        entries, found = record['epochs'], []
        for name, about in record['choices'].items():
            rows = [entry.get('architecture', {}).get(name) for entry in entries]
            if any(row is not None for row in rows):
                options = [str(option) for option in about['candidates']]
                if any(row is not None and len(row) != len(options) for row in rows):
                    raise ValueError(f'{name!r:.60} has other shares than candidates')
                found.append(Choice(name, ChoiceKey.parse(name), options, rows))
        return found
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None


def gate_level(record: Mapping[str, Any]) -> float:
    """Return the share above which the search keeps a connection."""
    level = record.get('settings', {}).get('model.threshold')
    return level if isinstance(level, float) else ON


def epochs_of(record: Mapping[str, Any]) -> int | None:
    """Return the number of epochs that the search is to have, if its settings tell it."""
    number = record.get('settings', {}).get('train_cfg.max_epochs')
    return number if isinstance(number, int) else None


def state_of(record: Mapping[str, Any], failed: str = '') -> tuple[str, str]:
    """Return ``'finished'``, ``'failed'`` or ``'running'``, and the words that follow.

    Args:
        record: The content of ``search.json``.
        failed: Why the search stopped, if the record does not say it.
    """
    result, done, total = record.get('result', {}), len(record['epochs']), epochs_of(record)
    epochs = f'epoch {done} of {total}' if total else f'epoch {done}'
    if result.get('failed') or failed:
        return 'failed', f'after {epochs}: {result.get("failed") or failed}'
    if result:
        return 'finished', f'after {epochs}' if done else 'without training'
    return 'running', f'or stopped: {epochs} is done'


def finite(value: Any) -> float | None:
    """Return a number, or ``None`` for what is not one."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if number and math.isfinite(value) else None


def curves_of(record: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return losses and metrics over the epochs: name, colour and values of each curve."""
    entries, colours = record['epochs'], itertools.cycle(PALETTE)
    found = {}
    for group in ('losses', 'metrics'):
        names = dict.fromkeys(name for entry in entries for name in entry.get(group, {}))
        found[group] = [
            dict(
                name=name,
                colour=next(colours),
                values=[_short(finite(e.get(group, {}).get(name))) for e in entries],
            )
            for name in names
        ]
    return found


def _short(value: float | None) -> float | None:
    """Return a number with six digits."""
    return None if value is None else float(f'{value:.6g}')


def drawing(
    record: Mapping[str, Any], choices: Sequence[Choice], cells: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the data of the script.

    Shares are in thousandths; ``null`` stands for the shares of the epoch before, ``[]`` for none.

    Args:
        record: The content of ``search.json``.
        choices: Its choices.
        cells: The cells of the architecture found, as in ``genotype.json``; empty while there is
            none.
    """
    ops = {op for choice in choices if not choice.key.gates for op in choice.options}
    ops |= {edge['op'] for cell in cells for node in cell['nodes'] for edge in node}
    return dict(
        epochs=[entry['epoch'] for entry in record['epochs']],
        on=round(1000 * gate_level(record)),
        ops={op: op_colour(op) for op in sorted(ops)},
        choices=[
            dict(
                cell=choice.key.cell,
                node=choice.key.node,
                source=choice.key.source,
                gates=choice.key.gates,
                label=choice.label,
                options=choice.options,
                since=choice.since([e['epoch'] for e in record['epochs']], gate_level(record)),
                rows=_thousandths(choice.rows),
                best=_strongest(choice),
            )
            for choice in choices
        ],
        found=list(cells),
        curves=curves_of(record),
    )


def _strongest(choice: Choice) -> list[int]:
    """Return the number of the strongest operation in each epoch; -1: none."""
    rows = () if choice.key.gates else choice.rows
    return [next(iter(choice.strongest(row)), -1) for row in rows]


def _thousandths(rows: Sequence[Sequence[float] | None]) -> list[list[int] | None]:
    """Return rows of whole numbers; ``None`` repeats the row before."""
    short: list[list[int] | None] = []
    before = None
    for row in rows:
        now = [round(1000 * share) for share in row or ()]
        short.append(None if now == before else now)
        before = now
    return short
