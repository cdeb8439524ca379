"""What a recorded search held after each epoch: its strongest operations, its connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..genotype import Genotype
from ..utils.choice_key import ChoiceKey


def strongest_by_epoch(record: Mapping[str, Any]) -> Iterator[tuple[int, Genotype]]:
    """Yield each epoch and what DARTS and CDARTS would derive after it (CDARTS, Fig. 3).

    Args:
        record: The content of ``search.json``, of a space whose cells choose operations only.
    """
    for entry in record['epochs']:
        cells: dict[str, dict[int, list[dict[str, Any]]]] = {}
        for name, weights in entry['architecture'].items():
            key = ChoiceKey.parse(name)
            op = record['choices'][name]['candidates'][int(np.argmax(weights))]
            source = key.node - 1 if key.source is None else key.source
            nodes = cells.setdefault(key.cell, {})
            nodes.setdefault(key.node, []).append({'op': op, 'sources': [source]})
        data = [{'name': n, 'inputs': 1, 'nodes': list(c.values())} for n, c in cells.items()]
        yield (
            entry['epoch'],
            Genotype.from_dict({'schema': 1, 'space': record['space'], 'cells': data}),
        )


def settled_by_epoch(record: Mapping[str, Any]) -> list[int]:
    """Return how many connections are, after each epoch, on the side of 0.5 on which they end.

    There are no numbers if the search learned no connections.

    Args:
        record: The content of ``search.json``.
    """
    gates = [name for name, choice in record['choices'].items() if choice['gates']]
    learned = [entry['architecture'] for entry in record['epochs'] if 'architecture' in entry]
    if not gates:
        return []
    sides = [np.concatenate([np.asarray(values[n]) > 0.5 for n in gates]) for values in learned]
    return [int((side == sides[-1]).sum()) for side in sides]
