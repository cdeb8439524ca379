"""Search steps exactly as in the papers, slow and plain: contexts for running super-nets.

They use the super-net's own modules, with one call for each operation on each edge.  They are the
reference in benchmarks and in tests of the fast forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional

from ..algorithms import GDAS
from ..spaces import Fixed, Weights
from ..spaces.mixed_dag import MixedDAG
from ..spaces.mixture import Choice, NodeMix
from ..spaces.ppconv import MixedPPConv


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
    """Context in which GDAS computes all operations edge by edge, undrawn ones times zero."""

    def all_of_them(search: Any, p: Tensor, drawn: Tensor) -> list[Weights]:
        alive = [search.super_net.alive_candidates(c.name) for c in search.table.choices]
        hard = functional.one_hot(drawn, p.shape[1]).to(p)
        scales = hard + hard * (p - p.detach())
        return [Weights(a, row[list(a)]) for a, row in zip(alive, scales, strict=True)]

    stack = ExitStack()
    stack.enter_context(edge_by_edge())
    stack.enter_context(patch.object(GDAS, '_hard', all_of_them))
    return stack


def every_candidate() -> Any:
    """Context in which a single path computes all candidates, multiplying the others by zero."""

    def all_of_them(
        path: Fixed, choice: Choice, parameter: Tensor | None, alive: tuple[int, ...]
    ) -> Weights:
        kept = path.path.get(choice.name, ())
        device = None if parameter is None else parameter.device
        return Weights(alive, torch.tensor([float(i in kept) for i in alive], device=device))

    stack = ExitStack()
    stack.enter_context(edge_by_edge())
    stack.enter_context(patch.object(Fixed, '__call__', all_of_them))
    return stack


def plain_ppconv(block: Any, x: Tensor, mix: Sequence[NodeMix]) -> Tensor:
    """Eq. 1 and 2 of PP-NAS: for each node the weighted sums of its inputs and operations."""
    states = list(x.chunk(block.groups, dim=1))
    for node, weights in zip(block.nodes, mix, strict=True):
        inputs, ops = weights.gates, weights.ops[None]
        assert inputs.value is not None and ops.value is not None
        y: Any = 0
        for k, i in enumerate(inputs.kept):
            y = y + inputs.value[k] * states[i]
        z: Any = 0
        for k, i in enumerate(ops.kept):
            z = z + ops.value[k] * node[block.ops[i]](y)
        states.append(z)
    return torch.cat(states[block.groups :], dim=1)


def written_out() -> Any:
    """Context in which the blocks of PP-NAS compute their equations in loops."""
    return patch.object(MixedPPConv, 'forward', plain_ppconv)


def all_gradients() -> Any:
    """Context in which a step also computes gradients of parameters that it does not update."""
    stack = ExitStack()
    for module in ('cdarts.search', 'darts', 'gdas'):
        name = f'ppnas_mm.algorithms.{module}.without_gradient'
        stack.enter_context(patch(name, lambda parameters: nullcontext()))
    return stack
