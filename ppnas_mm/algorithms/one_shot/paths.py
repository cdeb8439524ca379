"""The single paths of a super-net: what one-shot searches train, score and select.

Each is an architecture of the space, so if connections are chosen, it has only as many as an
architecture keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...spaces.mixture import ArchPath
from ...spaces.super_net import SuperNet

REDRAWS = 1000


@lru_cache(maxsize=1024)
def subsets(members: tuple[int, ...], keep: int | None) -> list[tuple[int, ...]]:
    """Return the subsets of ``keep`` members; ``None``: all non-empty subsets."""
    sizes = range(1, len(members) + 1) if keep is None else (keep,)
    return [kept for size in sizes for kept in combinations(members, size)]


def _draw(values: Sequence[tuple[int, ...]], rng: np.random.Generator) -> tuple[int, ...]:
    return values[int(rng.integers(len(values)))]


class Paths:
    """Draws and translates paths; a view of the super-net, so it reflects pruning.

    Args:
        net: The super-net.
    """

    def __init__(self, net: SuperNet) -> None:
        self.net = net
        self.ops = [choice for choice in net.choices.values() if not choice.gates]

    def alive(self) -> dict[str, tuple[int, ...]]:
        """Return the operations left in each choice that an architecture may keep."""
        return {choice.name: self.net.keepable(choice.name) for choice in self.ops}

    def whole(self, ops: Mapping[str, int], rng: np.random.Generator) -> ArchPath:
        """Return the architecture with given operations; connections are drawn uniformly.

        Connections are redrawn if an input would not be read; inputs cut by operations stay cut.
        """
        genes = self.genes()
        gated = any(choice.gates for choice in self.net.choices.values())
        for _ in range(REDRAWS if gated else 1):
            path = {
                name: _draw(values, rng) if self.net.choices[name].gates else (ops[name],)
                for name, values in genes.items()
            }
            if not self.net.degeneracies(path):
                break
        return self.canonical(path)

    def genes(self) -> dict[str, Sequence[tuple[int, ...]]]:
        """Return the tuples of candidates that an architecture may keep, for each choice."""
        return {
            name: subsets(self.net.alive_candidates(name), choice.keep)
            if choice.gates
            else [(i,) for i in self.net.keepable(name)]
            for name, choice in self.net.choices.items()
        }

    def canonical(self, path: ArchPath) -> ArchPath:
        """Return the path without operations on connections that are not kept."""
        found = dict(path)
        for nodes in self.net.layout.values():
            for node in nodes.values():
                if node.gates is None:
                    continue
                read = {int(node.gates.candidates[i]) for i in path[node.gates.name]}
                for op in node.ops:
                    if op.source is not None and op.source not in read:
                        found.pop(op.name, None)
        return found

    def architecture(self, path: ArchPath) -> ArchPath | None:
        """Return :meth:`canonical` of a path, or ``None`` if it is degenerate."""
        return None if self.net.degeneracies(path) else self.canonical(path)

    def to_mask(self, path: ArchPath) -> Tensor:
        """Return a path as a mask over all candidates, choice by choice."""
        mask = torch.zeros_like(self.net.alive)
        for name, kept in path.items():
            mask[[self.net.starts[name] + i for i in kept]] = True
        return mask

    def from_mask(self, mask: Tensor) -> ArchPath:
        """Return the path of a mask."""
        return {name: kept for name, kept in self.split(mask.nonzero().flatten().tolist()) if kept}

    def split(self, places: list[int]) -> list[tuple[str, tuple[int, ...]]]:
        """Return the candidates of each choice from their indices among all candidates."""
        found: list[tuple[str, Any]] = []
        for name, start in self.net.starts.items():
            stop = start + len(self.net.choices[name].candidates)
            found.append((name, tuple(i - start for i in places if start <= i < stop)))
        return found
