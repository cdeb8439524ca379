"""Count multiply-adds and parameters of each candidate of a super-net."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from ..spaces.mixed import Mixed
from ..spaces.mixture import ArchPath, Choice, Fixed
from ..spaces.super_net import SuperNet
from .table import CostTable, describe, super_net_of


@dataclass(frozen=True)
class Candidate:
    """A candidate in one block: choice, index, block, and its module (``none`` has none)."""

    choice: Choice
    index: int
    block: str
    place: nn.Module | None

    @property
    def module(self) -> nn.Module | None:
        """The module to compute; in an expanded super-net, one of the equal copies."""
        if isinstance(self.place, nn.ModuleDict):
            return next(iter(self.place.values()))
        return self.place


def candidates(net: SuperNet) -> Iterator[Candidate]:
    """Yield every candidate alive in every block of its cell."""
    for name, choice in net.choices.items():
        if choice.gates:
            continue
        for path, block in net.blocks():
            if block.cell == choice.cell:
                holder, pools = _holders(block, choice)
                for i in net.alive_candidates(name):
                    op = choice.candidates[i]
                    place = next((part[op] for part in (holder, pools) if op in part), None)
                    yield Candidate(choice, i, path, place)


def _holders(block: Mixed, choice: Choice) -> tuple[Any, Any]:
    """Return a choice's own modules by operation, and those shared with other edges."""
    holder: Any = block.nodes[choice.node - block.inputs]
    if choice.source is None:
        return holder, {}
    pools: Any = getattr(block, 'pools', {})
    return holder[str(choice.source)], pools[str(choice.source)] if pools else {}


def sums(net: SuperNet, costs: Mapping[Candidate, float]) -> dict[str, list[float]]:
    """Return the entries of a table: the cost of each candidate, summed over the blocks."""
    entries = {n: [math.nan] * len(c.candidates) for n, c in net.choices.items() if not c.gates}
    for candidate, cost in costs.items():
        row, i = entries[candidate.choice.name], candidate.index
        row[i] = cost if math.isnan(row[i]) else row[i] + cost
    return entries


def some_path(net: SuperNet) -> ArchPath:
    """Return a valid path, always the same."""
    return net.random_path(np.random.default_rng(0))


@contextmanager
def running(model: nn.Module, path: ArchPath) -> Iterator[None]:
    """Run a model as one architecture of its super-net, in evaluation mode, without gradients."""
    modes = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with super_net_of(model).using(Fixed(path)), torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def run_on_meta(module: nn.Module, shape: Sequence[int]) -> int:
    """Run a module on the meta device and return its multiply-adds.

    Convolutions and matrix products are counted, as by torch (which counts two operations per
    multiply-add); norms, activations, pools and sums are left out.

    Args:
        module: Takes one image batch; its own tensors stay unchanged.
        shape: Shape of the input, ``(N, C, H, W)``.
    """
    tensors = chain(module.named_parameters(), module.named_buffers())
    meta = {name: tensor.to('meta') for name, tensor in tensors}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        functional_call(module, meta, (torch.empty(*shape, device='meta'),))
    return counter.get_total_flops() // 2


def backbone_costs(backbone: nn.Module, input_shape: Sequence[int]) -> dict[str, Any]:
    """Return ``input_shape``, ``flops`` and ``parameters`` of a backbone (see :func:`run_on_meta`).

    Args:
        backbone: It stays unchanged.
        input_shape: Of one image, ``(C, H, W)``.
    """
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        flops = run_on_meta(backbone, (1, *input_shape))
    finally:
        for module, mode in modes.items():
            module.training = mode
    parameters = sum(p.numel() for p in backbone.parameters())
    return dict(input_shape=list(input_shape), flops=flops, parameters=parameters)


@contextmanager
def _recorded(net: SuperNet) -> Iterator[dict[tuple[str, str], tuple[int, ...]]]:
    """Record the input shape of every choice in each forward, by block and choice."""
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    blocks = dict(net.blocks())
    handles = []

    def of_states(path: str, block: Mixed) -> Any:
        # modules on edges may be fused and so not called: take the shapes from the nodes
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            states = [*args[0], *output]
            for name, choice in net.choices.items():
                if choice.cell == block.cell and choice.source is not None:
                    shapes[path, name] = tuple(states[choice.source].shape)

        return hook

    def of_input(spot: tuple[str, str]) -> Any:
        def hook(module: nn.Module, args: Any) -> None:
            shapes[spot] = tuple(args[0].shape)

        return hook

    for path, block in blocks.items():
        if any(c.cell == block.cell and c.source is not None for c in net.choices.values()):
            handles.append(block.register_forward_hook(of_states(path, block)))
    for c in candidates(net):
        if c.choice.source is None and c.place is not None:
            handles.append(c.place.register_forward_pre_hook(of_input((c.block, c.choice.name))))
    try:
        yield shapes
    finally:
        for handle in handles:
            handle.remove()


def input_shapes(model: nn.Module, shape: Sequence[int]) -> tuple[dict[Candidate, Any], int]:
    """Return the input shape of every candidate, and the multiply-adds of :func:`some_path`.

    Candidates in stages after the last of ``out_indices`` are not computed and left out.

    Args:
        model: A super-net or a model on top of one.
        shape: Shape of the images, ``(N, C, H, W)``.
    """
    net = super_net_of(model)
    with running(model, some_path(net)), _recorded(net) as shapes:
        total = run_on_meta(model, shape)
    found = ((c, shapes.get((c.block, c.choice.name))) for c in candidates(net))
    return {c: shape for c, shape in found if shape is not None}, total


def alike(
    shapes: Mapping[Candidate, tuple[int, ...]],
) -> list[tuple[tuple[nn.Module | None, tuple[int, ...]], list[Candidate]]]:
    """Group candidates that compute the same, with equal operation, printed module and input shape.

    Args:
        shapes: Input shape of each candidate, see :func:`input_shapes`.

    Returns:
        For each group, one module with its input shape, and all its candidates.
    """
    groups: dict[tuple, list[Candidate]] = {}
    for c, shape in shapes.items():
        key = c.choice.candidates[c.index], repr(c.module), shape
        groups.setdefault(key, []).append(c)
    return [((group[0].module, key[-1]), group) for key, group in groups.items()]


# -- tables ----------------------------------------------------------------------------------------


def flops_table(model: nn.Module, input_shape: Sequence[int]) -> CostTable:
    """Return the multiply-adds of every candidate (see :func:`run_on_meta`).

    Args:
        model: A super-net, or a model on top of one: then neck and head are in the fixed part.
        input_shape: Of one image, ``(C, H, W)``.

    Raises:
        TypeError: If the model has no super-net.
    """
    net = super_net_of(model)
    shapes, total = input_shapes(model, (1, *input_shape))
    costs: dict[Candidate, float] = dict.fromkeys(candidates(net), 0)
    with running(model, {}):
        for (module, shape), group in alike(shapes):
            costs.update(dict.fromkeys(group, 0 if module is None else run_on_meta(module, shape)))
    table = CostTable(
        'flops', 0, sums(net, costs), describe(net), dict(input_shape=list(input_shape))
    )
    return replace(table, fixed=total - table(some_path(net)))


def params_table(model: nn.Module) -> CostTable:
    """Return the parameters of every candidate; in an expanded super-net, those of one copy.

    Args:
        model: A super-net, or a model on top of one: then neck and head are in the fixed part.

    Raises:
        TypeError: If the model has no super-net.
    """
    net = super_net_of(model)
    owned = {id(p) for p in net.arch_parameters().values()}
    costs: dict[Candidate, float] = {}
    for c in candidates(net):
        costs[c] = sum(p.numel() for p in c.module.parameters()) if c.module is not None else 0
        owned |= {id(p) for p in c.place.parameters()} if c.place is not None else set()
    fixed = sum(p.numel() for p in model.parameters() if id(p) not in owned)
    return CostTable('params', fixed, sums(net, costs), describe(net))
