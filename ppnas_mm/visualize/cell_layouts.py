"""Positions of the parts of a cell in its picture: as a graph, or as rows of a chain.

Lengths are in inches, y points downwards, a box is (left, top, width, height).
"""

from __future__ import annotations

from ..genotype import Cell, Genotype

Box = tuple[float, float, float, float]
Point = tuple[float, float]

INPUT = (0.46, 0.34)  # width, height
LABEL_WIDTH, OP_HEIGHT, PAD, ROW_GAP = 0.46, 0.3, 0.06, 0.34
CHAIN_LABEL, CHAIN_GAP, WRAP_GAP = 0.24, 0.26, 0.3
PAGE = 10.3
"""The widest row of a chain; an SVG of 10.4 inches is 1000 pixels wide."""


class Layout:
    """Boxes of inputs, computed nodes and operations of a cell.

    Attributes:
        inputs: A box for each input.
        nodes: A box for each computed node, by its number.
        labels: The middle of each computed node's label.
        ops: A box for each operation, by node and number of its edge.
        arrows: Source, node and number of the node's edge.
        unread: Inputs that nothing reads.
    """

    def __init__(self, cell: Cell, index: int) -> None:
        self.cell, self.index = cell, index
        self.width = self.height = 0.0
        self.inputs: list[Box] = []
        self.nodes: dict[int, Box] = {}
        self.labels: dict[int, Point] = {}
        self.ops: dict[tuple[int, int], Box] = {}
        self.arrows = [
            (source, n, k)
            for n, edges in enumerate(cell.nodes, cell.inputs)
            for k, edge in enumerate(edges)
            for source in edge.sources
        ]
        self.unread = set(range(cell.inputs)) - {source for source, _, _ in self.arrows}

    def points(self, source: int, node: int, edge: int) -> list[Point]:
        """Return the points of an arrow: two for a line, four for a Bezier curve."""
        raise NotImplementedError


class GraphLayout(Layout):
    """Inputs in a left column, computed nodes in a right column."""

    def __init__(self, cell: Cell, index: int, op_width: float) -> None:
        super().__init__(cell, index)
        heights = [len(edges) * (OP_HEIGHT + PAD) + PAD for edges in cell.nodes]
        gap = max(ROW_GAP, (0.55 * cell.inputs - sum(heights)) / len(heights))
        self.height = sum(heights) + gap * len(heights)
        step = self.height / cell.inputs
        self.inputs = [(0, (i + 0.5) * step - INPUT[1] / 2, *INPUT) for i in range(cell.inputs)]
        self.left = INPUT[0] + min(1.1 + 0.12 * len(heights), 4.0)
        self.right = self.left + LABEL_WIDTH + op_width + PAD
        top = gap / 2
        for n, (edges, height) in enumerate(zip(cell.nodes, heights, strict=True), cell.inputs):
            self.nodes[n] = (self.left, top, self.right - self.left, height)
            self.labels[n] = (self.left + LABEL_WIDTH / 2, top + height / 2)
            for k in range(len(edges)):
                y = top + PAD + k * (OP_HEIGHT + PAD)
                self.ops[n, k] = (self.left + LABEL_WIDTH, y, op_width, OP_HEIGHT)
            top += height + gap
        reach = max(x for arrow in self.arrows for x, _ in self.points(*arrow)) - self.right
        self.width = self.right + 0.75 * max(reach, 0)

    def points(self, source: int, node: int, edge: int) -> list[Point]:
        """Return a line from an input or to the next node, else a curve around other nodes."""
        inputs, end = self.cell.inputs, self.ops[node, edge][1] + OP_HEIGHT / 2
        sources = sorted(self.cell.nodes[node - inputs][edge].sources)
        peers = [i for i in sources if (i < inputs) == (source < inputs)]
        if source < inputs:
            shift = peers.index(source) - (len(peers) - 1) / 2
            end += shift * min(0.1, OP_HEIGHT / len(peers))
            return [(INPUT[0], self.inputs[source][1] + INPUT[1] / 2), (self.left, end)]
        bottom = self.nodes[source][1] + self.nodes[source][3]
        if source == node - 1 and edge == 0:
            middle = (self.left + self.right) / 2
            return [(middle, bottom), (middle, self.nodes[node][1])]
        end += 0.1 - (peers.index(source) + 1) * 0.2 / len(peers)
        out = self.right + 0.3 + 0.45 * (node - source - 1) ** 0.6
        return [(self.right, bottom - 0.1), (out, bottom - 0.1), (out, end), (self.right, end)]


class ChainLayout(Layout):
    """The input, then node after node from left to right, in rows no wider than the page."""

    def __init__(self, cell: Cell, index: int, op_width: float) -> None:
        super().__init__(cell, index)
        width, height = op_width + 2 * PAD, CHAIN_LABEL + OP_HEIGHT + PAD
        start, step = INPUT[0] + CHAIN_GAP, width + CHAIN_GAP
        columns = max(1, int((PAGE - start + CHAIN_GAP) / step))
        self.inputs = [(0, (height - INPUT[1]) / 2, *INPUT)]
        for k, n in enumerate(range(1, 1 + len(cell.nodes))):
            row, column = divmod(k, columns)
            left, top = start + column * step, row * (height + WRAP_GAP)
            self.nodes[n] = (left, top, width, height)
            self.labels[n] = (left + width / 2, top + CHAIN_LABEL / 2 + 0.02)
            self.ops[n, 0] = (left + PAD, top + CHAIN_LABEL, op_width, OP_HEIGHT)
            self.width, self.height = max(self.width, left + width), top + height + 0.1

    def points(self, source: int, node: int, edge: int) -> list[Point]:
        """Return a line to the right, or a curve to the first node of the next row."""
        x, y, width, height = self.nodes.get(source) or self.inputs[source]
        left, top, across, _ = self.nodes[node]
        if left > x:
            return [(x + width, y + height / 2), (left, y + height / 2)]
        start, end = (x + width / 2, y + height), (left + across / 2, top)
        middle = (start[1] + end[1]) / 2
        return [start, (start[0], middle + 0.1), (end[0], middle - 0.1), end]


def is_chain(genotype: Genotype) -> bool:
    """Return whether each node of an architecture reads only the node before it."""
    return all(
        cell.inputs == 1
        and all([e.sources for e in edges] == [(n,)] for n, edges in enumerate(cell.nodes))
        for cell in genotype.cells
    )
