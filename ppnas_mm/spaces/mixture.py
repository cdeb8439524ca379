"""How a super-net combines candidates: from architecture parameters to mixing weights.

A mixture runs once per forward, for each choice, at the top of the super-net; the blocks get its
weights as arguments and hold no state of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Path = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Choice:
    """One decision of the search.

    Args:
        name: Name of the choice and of its architecture parameter.
        candidates: Names of the candidates: operations, or for gates the numbers of the nodes.
        gates: Whether any subset may be kept (connections) or exactly one (an operation).
        cell: Cell it belongs to.
        node: Node of the cell that it decides about.
    """

    name: str
    candidates: tuple[str, ...]
    gates: bool
    cell: str
    node: int


class Weights(NamedTuple):
    """The candidates that run and their scales; ``value`` ``None`` means the plain mean."""

    kept: tuple[int, ...]
    value: Tensor | None = None


class Mixture(Protocol):
    """Maps one choice, its parameter and the candidates still alive to :class:`Weights`."""

    def __call__(self, choice: Choice, parameter: Tensor, alive: tuple[int, ...]) -> Weights:
        """Return the weights of this forward."""


class Relaxed:
    """The continuous relaxation: normalised sigmoids for gates, softmax for operations.

    PP-NAS eq. 1 (gates: sigma(alpha) over the sum of the node's sigmas) and eq. 2 (operations).
    """

    def __call__(self, choice: Choice, parameter: Tensor, alive: tuple[int, ...]) -> Weights:
        """Return a weight for each candidate alive; they sum to one."""
        logits = parameter if len(alive) == len(parameter) else parameter[list(alive)]
        if choice.gates:
            gates = logits.sigmoid()
            return Weights(alive, gates / gates.sum())
        return Weights(alive, logits.softmax(0))


class Fixed:
    """One architecture: the operation it names, the plain mean of the inputs it keeps."""

    def __init__(self, path: Path) -> None:
        self.path: Mapping[str, tuple[int, ...]] = dict(path)

    def __call__(self, choice: Choice, parameter: Tensor, alive: tuple[int, ...]) -> Weights:
        """Return the candidates that the path names."""
        return Weights(self.path[choice.name])


def mixed_sum(weights: Weights, outputs: Sequence[Tensor]) -> Tensor:
    """Combine the outputs of the candidates kept: by their scales, or as a plain mean.

    Args:
        weights: What the mixture said.
        outputs: One tensor for each of ``weights.kept``, all of one shape.
    """
    if weights.value is not None:
        scales = torch.unbind(weights.value)
        outputs = [scale * output for scale, output in zip(scales, outputs, strict=True)]
    total = outputs[0]
    for output in outputs[1:]:
        total = total + output
    return total / len(outputs) if weights.value is None and len(outputs) > 1 else total
