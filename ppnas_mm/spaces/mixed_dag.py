"""A cell with every candidate on every edge, computed source node by source node.

The plain formula goes edge by edge (``benchmarks/plain.py``).  Here the operations that read one
node share their work: each pool and the activation are computed once, ``none`` never; equal
convolutions are merged into one call if that is faster; weights scale inside the norms;
convolutions of dilation 2 run undilated on even and odd pixels.  Outputs and gradients stay the
same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..genotype import Cell
from ..layers.depthwise import depthwise_conv
from ..layers.memory_layout import every_second
from ..layers.ops import OpSpec, Separable, build_op
from .expansion import active
from .mixed import Mixed
from .mixture import Choice
from .super_net import SuperNet

POOLS = ('max_pool_3x3', 'avg_pool_3x3')
MERGE_UP_TO = 2**17
"""Maximum input elements up to which a CPU merges equal convolutions; beyond, merging is slower."""

EdgeWeights = Mapping[tuple[int, int], tuple[tuple[str, ...], Tensor | None]]
"""The operations to run and their scales, for each edge (node, source)."""


def edge_weights(net: SuperNet) -> dict[str, dict[tuple[int, int], Any]]:
    """Return this forward's :data:`EdgeWeights` for every cell: operation times connection."""
    mix = net.mix()
    cells: dict[str, dict] = {}
    for cell, nodes in net.layout.items():
        edges = cells.setdefault(cell, {})
        for number, node in nodes.items():
            read: dict[int | None, Tensor | None] = {op.source: None for op in node.ops}
            if node.gates is not None:
                gates = mix[node.gates.name]
                scales = [None] * len(gates.kept) if gates.value is None else gates.value.unbind()
                read = {
                    int(node.gates.candidates[i]): s
                    for i, s in zip(gates.kept, scales, strict=True)
                }
            for op in node.ops:
                weights = mix[op.name]
                if not weights.kept or op.source not in read:
                    continue
                value, scale = weights.value, read[op.source]
                if scale is not None and value is not None:
                    value = value * scale
                elif scale is not None:
                    value = scale.to(net.arch[op.name]).reshape(1)
                edges[number, op.source] = (tuple(op.candidates[i] for i in weights.kept), value)
    return cells


class MixedDAG(Mixed):
    """The inner graph of a cell with every candidate.

    Args:
        cell: Name of the cell.
        inputs: Number of input nodes.
        nodes: Number of computed nodes.
        ops: Names of the candidate operations.
        spec: Spec of the operations; its stride is that of edges from input nodes.
    """

    def __init__(self, cell: str, inputs: int, nodes: int, ops: Sequence[str], spec: OpSpec):
        super().__init__(cell, inputs)
        self.stride = spec.stride
        inner = replace(spec, stride=1)
        # pools have no weights per edge, so one for each source node is enough
        self.pools = nn.ModuleDict(
            {
                str(i): nn.ModuleDict(
                    {o: build_op(o, spec if i < inputs else inner) for o in POOLS if o in ops}
                )
                for i in range(inputs + nodes - 1)
            }
        )
        own = [op for op in ops if op not in (*POOLS, 'none')]
        for node in range(inputs, inputs + nodes):
            edges = {
                str(i): nn.ModuleDict({o: build_op(o, spec if i < inputs else inner) for o in own})
                for i in range(node)
            }
            self.nodes.append(nn.ModuleDict(edges))
        # how many edges still have the pool of a source as a candidate
        self.readers = {
            (i, op): inputs + nodes - max(inputs, int(i) + 1)
            for i, pools in self.pools.items()
            for op in pools  # type: ignore[attr-defined]
        }

    def drop(self, choice: Choice, op: str) -> None:
        """Also delete a pool that is no longer a candidate on any edge."""
        super().drop(choice, op)
        spot = str(choice.source), op
        if spot in self.readers:
            self.readers[spot] -= 1
            if not self.readers[spot]:
                pools: Any = self.pools[spot[0]]
                del pools[op]

    def derived_keys(self, key: str, cell: Cell) -> list[str]:
        """Also copy the norms of a pool to each edge that uses it."""
        kind, source, op, *rest = key.split('.')
        if kind != 'pools':
            return super().derived_keys(key, cell)
        return [
            '.'.join(['nodes', str(j), str(k), *rest])
            for j, edges in enumerate(cell.nodes)
            for k, edge in enumerate(edges)
            if (edge.op, edge.sources) == (op, (int(source),))
        ]

    def forward(self, states: Sequence[Tensor], edges: EdgeWeights) -> list[Tensor]:
        """Map the input nodes to the computed nodes, each the weighted sum of its edges."""
        values = list(states)
        sums = [_NodeSum() for _ in self.nodes]
        for source in range(self.inputs + len(self.nodes)):
            if source >= self.inputs:
                empty = values[0][:, :, :: self.stride, :: self.stride]
                values.append(sums[source - self.inputs].value(empty))
            by_op: dict[str, list[tuple[int, Tensor | None]]] = {}
            for (node, i), (ops, scales) in edges.items():
                if i == source:
                    each = [None] * len(ops) if scales is None else torch.unbind(scales)
                    for op, scale in zip(ops, each, strict=True):
                        by_op.setdefault(op, []).append((node - self.inputs, scale))
            _Leaving(self, source, values[source], sums).run(by_op)
        return values[self.inputs :]


class _NodeSum:
    """Sums the inputs of a node; outputs of dilated convolutions are split into pixel parities."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.split: Tensor | None = None

    def add(self, y: Tensor, scale: Tensor | None = None, split: bool = False) -> None:
        before = self.split if split else self.total
        if before is None:
            after = y if scale is None else y * scale
        else:
            after = before + y if scale is None else torch.addcmul(before, y, scale.to(y.dtype))
        if split:
            self.split = after
        else:
            self.total = after

    def value(self, like: Tensor) -> Tensor:
        if self.split is not None:
            self.add(_join(self.split))
        return torch.zeros_like(like) if self.total is None else self.total


class _Leaving:
    """The operations that read one source node, grouped by kind."""

    def __init__(self, dag: MixedDAG, source: int, x: Tensor, sums: list[_NodeSum]) -> None:
        self.dag, self.source, self.x, self.sums = dag, source, x, sums
        self.active: dict[str, Tensor] = {}  # the activated input in its layouts

    def run(self, by_op: Mapping[str, list[tuple[int, Tensor | None]]]) -> None:
        """Compute the operations and add their outputs to their nodes."""
        for op, targets in by_op.items():
            if op == 'none':
                continue
            if op in POOLS:
                pool: Any = self.dag.pools[str(self.source)]
                y = pool[op](self.x)
                for node, scale in targets:
                    self.sums[node].add(y, scale)
                continue
            holders: list[Any] = [self.dag.nodes[node] for node, _ in targets]
            modules = [active(holder[str(self.source)][op]) for holder in holders]
            if _is_fast(modules[0]):
                self._separable(modules, targets)
                continue
            for module, (node, scale) in zip(modules, targets, strict=True):
                self.sums[node].add(module(self.x), scale)

    def _activated(self, unit: Separable, layout: str) -> Tensor:
        """The activated input: unchanged, split into parities, or only its even pixels."""
        if 'plain' not in self.active:
            self.active['plain'] = unit.act(self.x)
        if layout not in self.active:
            x = self.active['plain']
            self.active[layout] = _split(x) if layout == 'split' else every_second(x, 0)
        return self.active[layout]

    def _separable(self, modules: list[Any], targets: list[tuple[int, Tensor | None]]) -> None:
        unit = modules[0][0]
        (stride, _), (dilation, _) = unit.depthwise.stride, unit.depthwise.dilation
        layout = 'plain'
        if dilation == 2 and self.x.device.type == 'cpu':
            even = all(side % 2 == 0 for side in self.x.shape[-2:])
            if stride == 2:
                layout = 'even' if len(modules[0]) == 1 else 'plain'
            else:
                layout = 'split' if even else 'plain'
        x = self._activated(unit, layout)
        scales = [scale for _, scale in targets]
        merge = self.x.is_cuda or self.x.numel() <= MERGE_UP_TO
        groups = [modules] if merge and len(modules) > 1 else [[m] for m in modules]
        outputs: list[Tensor] = []
        for group in groups:
            start = len(outputs)
            part = scales[start : start + len(group)]
            outputs += _run_units(group, x, part, undilated=layout != 'plain')
        for (node, _), y in zip(targets, outputs, strict=True):
            self.sums[node].add(y, split=layout == 'split')


def _is_fast(module: nn.Module) -> bool:
    """Whether an operation is a chain of separable units of plain convolutions and batch norms."""
    return isinstance(module, nn.Sequential) and all(
        isinstance(unit, Separable)
        and type(unit.depthwise) is type(unit.pointwise) is nn.Conv2d
        and type(unit.norm) is nn.BatchNorm2d
        and unit.norm.momentum is not None
        for unit in module
    )


def _run_units(
    modules: list[Any], x: Tensor, scales: list[Tensor | None], undilated: bool
) -> list[Tensor]:
    """Run equal chains of separable units side by side on one activated input."""
    count = len(modules)
    y = torch.cat([x] * count, 1) if count > 1 else x
    for level in range(len(modules[0])):
        units = [module[level] for module in modules]
        conv = units[0].depthwise
        if level:
            y = units[0].act(y)
        kernel = conv.kernel_size[0]
        stride, padding, dilation = conv.stride[0], conv.padding[0], conv.dilation[0]
        if undilated:
            stride, padding, dilation = 1, kernel // 2, 1
        y = depthwise_conv(y, _cat([u.depthwise.weight for u in units]), stride, padding, dilation)
        y = functional.conv2d(y, _cat([u.pointwise.weight for u in units]), groups=count)
        last = level == len(modules[0]) - 1
        y = _normalise([u.norm for u in units], y, scales if last else [None] * count)
    return list(y.chunk(count, dim=1)) if count > 1 else [y]


def _cat(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _normalise(norms: list[Any], y: Tensor, scales: list[Tensor | None]) -> Tensor:
    """Apply batch norms side by side, each with its scale multiplied into its weight."""
    first, channels = norms[0], norms[0].num_features
    weight = bias = None
    if first.weight is not None or scales[0] is not None:
        weights, biases = [], []
        for norm, scale in zip(norms, scales, strict=True):
            factor = y.new_ones(1) if scale is None else scale.reshape(1)
            # repeated, not expanded: torch's backward misreads a weight of stride 0
            weights.append(factor.repeat(channels) if norm.weight is None else norm.weight * factor)
            if norm.bias is not None:
                biases.append(norm.bias * factor)
        weight = _cat(weights)
        bias = _cat(biases) if biases else None
    train = first.training or first.running_mean is None
    mean = variance = None
    if first.running_mean is not None:
        mean, variance = (
            _cat([getattr(n, name) for n in norms]) for name in ('running_mean', 'running_var')
        )
    out = functional.batch_norm(y, mean, variance, weight, bias, train, first.momentum, first.eps)
    if first.training and mean is not None and variance is not None:
        for i, norm in enumerate(norms):
            norm.num_batches_tracked.add_(1)
            if len(norms) > 1:
                part = slice(i * channels, (i + 1) * channels)
                norm.running_mean.copy_(mean[part])
                norm.running_var.copy_(variance[part])
    return out


def _split(x: Tensor) -> Tensor:
    """Map ``(N, C, H, W)`` to ``(4 N, C, H / 2, W / 2)``: one image for each parity of pixels."""
    n, c, h, w = x.shape
    y = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(2, 4, 0, 1, 3, 5)
    return y.reshape(4 * n, h // 2, w // 2, c).permute(0, 3, 1, 2)


def _join(x: Tensor) -> Tensor:
    """Undo :func:`_split`."""
    n, c, h, w = x.shape
    y = x.permute(0, 2, 3, 1).reshape(2, 2, n // 4, h, w, c).permute(2, 3, 0, 4, 1, 5)
    return y.reshape(n // 4, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
