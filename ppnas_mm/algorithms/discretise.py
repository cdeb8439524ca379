"""Discretise architecture parameters: keep the strongest operations and edges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from ..spaces.mixture import ArchPath, Node
from ..spaces.super_net import SuperNet


@torch.no_grad()
def strongest(
    net: SuperNet, scores: Mapping[str, Sequence[float]] | None = None, keep: int = 2
) -> ArchPath:
    """Return the path of the strongest operation of each edge and the strongest edges of each node.

    DARTS, Section 2.4; CDARTS, Section 3.2 (top-k, k = 2) and the authors' ``parse``: an operation
    is ranked by its softmax over all candidates, ``none`` included, but ``none`` is kept only if
    the space allows it; an edge is ranked by its strongest operation times its own weight.

    Args:
        net: The super-net.
        scores: Score of each operation, by choice and candidate, instead of its softmax.
        keep: Number of connections to keep where a node may keep any number (spaces with free
            gates).
    """
    path: dict[str, tuple[int, ...]] = {}
    for nodes in net.layout.values():
        for node in nodes.values():
            path.update(_decide(net, node, keep, scores))
    return {name: path[name] for name in net.choices if name in path}


def most_likely(
    net: SuperNet, shares: Mapping[str, Sequence[float]], number: int
) -> list[ArchPath]:
    """Return different whole paths with the largest product of shares, the largest first.

    Args:
        net: A super-net that chooses operations only.
        shares: Share of each operation, by choice and candidate; 0: is not taken.
        number: Largest number of paths.

    Raises:
        ValueError: If the space also chooses connections.
    """
    if any(choice.gates for choice in net.choices.values()):
        raise ValueError(f'the space {net.space!r} also chooses connections, which have no shares')
    found: list[tuple[float, dict[str, tuple[int, ...]]]] = [(0.0, {})]
    for name in net.choices:
        own = [(i, shares[name][i]) for i in net.keepable(name) if shares[name][i] > 0]
        longer = [
            (score + math.log(share), {**path, name: (i,)})
            for score, path in found
            for i, share in own
        ]
        found = sorted(longer, key=lambda entry: -entry[0])[: 8 * number]
    whole: list[ArchPath] = [path for _, path in found]
    whole = [path for path in whole if not (net.degeneracies(path) or net.remarks(path))]
    return whole[:number]


def _decide(
    net: SuperNet, node: Node, keep: int, given: Mapping[str, Sequence[float]] | None
) -> dict[str, tuple[int, ...]]:
    path: dict[str, tuple[int, ...]] = {}
    scores: dict[int | None, float] = {}
    for op in node.ops:
        alive = list(net.alive_candidates(op.name))
        if not alive:
            continue
        if given is None:
            shares = dict(zip(alive, net.arch[op.name][alive].softmax(0).tolist(), strict=True))
        else:
            shares = dict(enumerate(given[op.name]))
        best = max(net.keepable(op.name), key=lambda i: shares[i])
        path[op.name], scores[op.source] = (best,), shares[best]
    if node.gates is None:
        return path
    weights = net.mixture(
        node.gates,
        net.arch[node.gates.name] if node.gates.learned else None,
        net.alive_candidates(node.gates.name),
    )
    values = [1.0] * len(weights.kept) if weights.value is None else weights.value.tolist()
    sources = [int(node.gates.candidates[i]) for i in weights.kept]
    ranked = sorted(
        zip(weights.kept, sources, values, strict=True),
        key=lambda item: -item[2] * scores.get(item[1], 1.0),
    )
    chosen = sorted(ranked[: node.gates.keep or keep])
    path[node.gates.name] = tuple(index for index, _, _ in chosen)
    read = {source for _, source, _ in chosen}
    return {
        name: kept
        for name, kept in path.items()
        if net.choices[name].source is None or net.choices[name].source in read
    }
