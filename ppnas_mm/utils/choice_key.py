"""Which decision of a search: a value in code, a line of text in files."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ChoiceKey:
    """The connections of a node, the one operation of a node, or the operation of one edge.

    As text: ``CELL/nodeN/inputs``, ``CELL/nodeN/op``, ``CELL/nodeN/opI`` for the edge from node I.

    Args:
        cell: Name of the cell.
        node: Number of the node.
        gates: Whether it is about connections.
        source: Node that the edge reads; ``None``: the node has one operation.
    """

    cell: str
    node: int
    gates: bool = False
    source: int | None = None

    def __str__(self) -> str:
        kind = 'inputs' if self.gates else 'op' if self.source is None else f'op{self.source}'
        return f'{self.cell}/node{self.node}/{kind}'

    @classmethod
    def parse(cls, text: str) -> ChoiceKey:
        """Read what ``str`` wrote.

        Raises:
            ValueError: If the text is not a key.
        """
        match = re.fullmatch(r'(.+)/node(\d+)/(?:(inputs)|op(\d*))', text, re.DOTALL)
        if match is None:
            raise ValueError(f'{text!r:.60} is not the name of a choice')
        cell, node, gates, source = match.groups()
        return cls(cell, int(node), bool(gates), int(source) if source else None)
