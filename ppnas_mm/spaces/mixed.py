"""A block of a super-net: it contains all candidates and maps their keys to the derived network."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..genotype import Cell, Edge
from .mixture import Choice


class Mixed(nn.Module):
    """A block with candidates in a super-net; several blocks may share a cell.

    Its candidates are ``nodes.J.OP`` (one operation a node) or ``nodes.J.I.OP`` (one on each edge,
    from node I); in the derived network they are ``nodes.J`` and ``nodes.J.K`` (edge K of node J).
    """

    def __init__(self, cell: str, inputs: int) -> None:
        super().__init__()
        self.cell = cell
        self.inputs = inputs
        self.nodes = nn.ModuleList()

    def holder(self, choice: Choice) -> nn.ModuleDict:
        """Return the modules of a choice's candidates, by operation."""
        node: Any = self.nodes[choice.node - self.inputs]
        return node if choice.source is None else node[str(choice.source)]

    def drop(self, choice: Choice, op: str) -> None:
        """Delete the modules of a pruned operation; ``none`` has none."""
        holder = self.holder(choice)
        if op in holder:
            del holder[op]

    def derived_keys(self, key: str, cell: Cell) -> list[str]:
        """Return the keys in the derived network for a key of this block; ``[]``: dropped."""
        first, *parts = key.split('.')
        if first != 'nodes':
            return [key]
        node, edges = parts[0], cell.nodes[int(parts[0])]
        if not parts[1].isdigit():
            op, rest = parts[1], '.'.join(parts[2:])
            return [f'nodes.{node}.{rest}'] if edges[0].op == op else []
        wanted, rest = Edge(parts[2], (int(parts[1]),)), '.'.join(parts[3:])
        return [f'nodes.{node}.{k}.{rest}' for k, edge in enumerate(edges) if edge == wanted]
