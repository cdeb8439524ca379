"""The inner graph of a cell edge by edge, as DARTS and CDARTS write it: the slow, plain formula.

Uses the super-net's own modules, one call for each operation on each edge.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional

from ppnas_mm.algorithms import GDAS
from ppnas_mm.spaces import Weights
from ppnas_mm.spaces.mixed_dag import MixedDAG


def plain_forward(dag: Any, states: Sequence[Tensor], edges: dict) -> list[Tensor]:
    """Eq. 1 of CDARTS: for each node and edge, the weighted sum of the operations."""
    values = list(states)
    for j, node in enumerate(dag.nodes, dag.inputs):
        total: Any = None
        for i in range(j):
            ops, scales = edges.get((j, i), ((), None))
            for k, op in enumerate(ops):
                if op in ('max_pool_3x3', 'avg_pool_3x3'):
                    y = dag.pools[str(i)][op](values[i])
                elif op == 'none':
                    stride = 2 if dag.cell == 'reduction' and i < dag.inputs else 1
                    y = 0 * values[i][:, :, ::stride, ::stride]
                else:
                    y = node[str(i)][op](values[i])
                y = y if scales is None else scales[k] * y
                total = y if total is None else total + y
        values.append(torch.zeros_like(values[0]) if total is None else total)
    return values[dag.inputs :]


def edge_by_edge() -> Any:
    """Context in which every super-net computes the plain formula."""
    return patch.object(MixedDAG, 'forward', plain_forward)


def every_operation() -> Any:
    """Context in which GDAS computes all operations, those not drawn times zero, edge by edge."""

    def all_of_them(search: Any, p: Tensor, drawn: Tensor) -> list[Weights]:
        alive = [search.super_net.alive_candidates(c.name) for c in search.table.choices]
        hard = functional.one_hot(drawn, p.shape[1]).to(p)
        scales = hard + hard * (p - p.detach())
        return [Weights(a, row[list(a)]) for a, row in zip(alive, scales, strict=True)]

    stack = ExitStack()
    stack.enter_context(edge_by_edge())
    stack.enter_context(patch.object(GDAS, '_hard', all_of_them))
    return stack
