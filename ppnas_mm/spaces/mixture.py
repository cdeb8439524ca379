"""How a super-net combines candidates: from architecture parameters to mixing weights.

A mixture runs once per forward and choice, at the top of the super-net; the blocks get its weights
as arguments and hold no state of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..utils.choice_key import ChoiceKey

ArchPath = Mapping[str, tuple[int, ...]]
"""The kept candidates by name of the choice; choices without effect are left out."""


@dataclass(frozen=True)
class Choice:
    """One decision of the search: which nodes a node reads, or which operation is applied.

    Paths and genotypes are translated by its key (:class:`ChoiceKey`); its name is the key as text.

    Args:
        cell: Cell it belongs to.
        node: Node of the cell that the choice is for.
        candidates: Names of the operations, or for gates the numbers of the nodes.
        gates: Whether it decides about connections.
        keep: Gates: number of connections to keep; ``None``: one or more.
        source: Operations: the node that the edge reads; ``None``: one operation for the whole
            node.
        learned: Whether it has an architecture parameter.
    """

    cell: str
    node: int
    candidates: tuple[str, ...]
    gates: bool = False
    keep: int | None = None
    source: int | None = None
    learned: bool = True

    @property
    def key(self) -> ChoiceKey:
        """Key of the decision."""
        return ChoiceKey(self.cell, self.node, self.gates, self.source)

    @property
    def name(self) -> str:
        """Name of the choice and of its architecture parameter."""
        return str(self.key)


class Weights(NamedTuple):
    """The candidates to run and their scales; ``value=None``: unscaled.

    Unscaled inputs of a node with one operation are averaged, unscaled edges are summed.
    """

    kept: tuple[int, ...]
    value: Tensor | None = None


class Node(NamedTuple):
    """The choices that decide about one node."""

    gates: Choice | None
    ops: list[Choice]


class NodeMix(NamedTuple):
    """What a forward combines at one node: its connections (if any), the operations by source."""

    gates: Weights
    ops: dict[int | None, Weights]


class Mixture(Protocol):
    """Maps a choice, its parameter and the candidates alive to :class:`Weights`."""

    def __call__(self, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
        """Return the weights of this forward."""


class Relaxed:
    """The continuous relaxation: softmax for operations, normalised weights for connections.

    PP-NAS eq. 1 (gates: sigma(alpha) over the sum of the node's sigmas) and eq. 2 (operations);
    CDARTS eq. 1 (operations), without learned connections.

    Args:
        combine: How a node combines edges without a parameter: ``'mean'`` (the CDARTS authors'
            constant beta) or ``'sum'`` (CDARTS paper, DARTS).
    """

    def __init__(self, combine: str = 'mean') -> None:
        if combine not in ('mean', 'sum'):
            raise ValueError(f"combine={combine!r}: expected 'mean' or 'sum'")
        self.combine = combine

    def __call__(self, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
        """Return a weight for each candidate alive; they sum to one, or are all one (``'sum'``)."""
        if parameter is None:
            share = 1 / len(alive) if self.combine == 'mean' else 1.0
            return Weights(alive, torch.full((len(alive),), share, dtype=torch.float64))
        logits = parameter if len(alive) == len(parameter) else parameter[list(alive)]
        if choice.gates:
            gates = logits.sigmoid()
            return Weights(alive, gates / gates.sum())
        return Weights(alive, logits.softmax(0))


class Fixed:
    """One architecture: the candidates that its path names, unscaled."""

    def __init__(self, path: ArchPath) -> None:
        self.path: Mapping[str, tuple[int, ...]] = dict(path)

    def __call__(self, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]) -> Weights:
        """Return the candidates that the path names."""
        return Weights(self.path.get(choice.name, ()))


def mixed_sum(weights: Weights, outputs: Sequence[Tensor]) -> Tensor:
    """Combine the outputs of the kept candidates by their scales, or as a plain mean.

    Args:
        weights: The weights that the mixture returned.
        outputs: One tensor for each of ``weights.kept``, all of one shape.
    """
    if weights.value is not None:
        scales = torch.unbind(weights.value)
        outputs = [scale * output for scale, output in zip(scales, outputs, strict=True)]
    total = outputs[0]
    for output in outputs[1:]:
        total = total + output
    return total / len(outputs) if weights.value is None and len(outputs) > 1 else total
