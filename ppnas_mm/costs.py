"""What the architectures of a super-net cost, as tables that add up over the choices.

An architecture is one path, and the candidates of a choice see the same input whatever else is
chosen; so multiply-adds and parameters of a path are a fixed part and one term a choice, exactly,
and latency is so nearly (:mod:`ppnas_mm.latency`).  A search under a limit only looks numbers up
(SE-NAS does not say how).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path as File
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from .fileio import write_atomic
from .spaces.base import SuperNet
from .spaces.mixed import Mixed
from .spaces.mixture import Choice, Fixed, Path

SCHEMA = 1
UNITS = {'flops': 'multiply-adds', 'params': 'parameters', 'latency': 'milliseconds'}
FREE = ('with_cp', 'frozen_stages', 'norm_eval', 'init_cfg')
"""Arguments of a backbone that change no cost."""


class CostError(ValueError):
    """A table of costs that is damaged, or does not fit; the message names what is wrong."""


def describe(net: SuperNet) -> dict[str, Any]:
    """Return, as plain JSON, what a super-net must share with a table: space, size, candidates."""
    config = {k: v for k, v in net.derived_config.items() if k not in FREE}
    choices = {n: c.candidates for n, c in net.choices.items() if not c.gates}
    return json.loads(json.dumps(dict(space=net.space, config=config, candidates=choices)))


@dataclass(frozen=True)
class CostTable:
    """Costs of every candidate; called with a path it returns the architecture's cost.

    Args:
        unit: A key of :data:`UNITS`: ``'flops'`` (multiply-adds of one image), ``'params'``, or
            ``'latency'`` (milliseconds for one batch).
        fixed: Cost of all that is not searched.
        entries: For each choice of an operation, the cost of each of its candidates, over all
            blocks of its cell; NaN: pruned.
        super_net: What it is a table of, by :func:`describe`.
        measured: Input shape; for latency also device, threads, repeats and versions.
    """

    unit: str
    fixed: float
    entries: dict[str, list[float]]
    super_net: dict[str, Any]
    measured: dict[str, Any] = field(default_factory=dict)

    def __call__(self, path: Path) -> float:
        """Return the cost of a path, in :attr:`unit`; which nodes are read costs nothing.

        Raises:
            CostError: If the path has another choice or candidate, or one that was pruned.
        """
        total = self.fixed
        for name, kept in path.items():
            if name.endswith('/inputs'):
                continue
            try:
                total += sum(self.entries[name][i] for i in kept)
            except (KeyError, IndexError):
                raise CostError(f'the table of {self.unit} has no {name} {kept}') from None
        if math.isnan(total):
            raise CostError(f'the path holds candidates that the table of {self.unit} lacks')
        return total

    def check(self, net: SuperNet) -> None:
        """Raise :class:`CostError` if the table is of another super-net than ``net``."""
        mine, other = self.super_net, describe(net)
        for key in ('space', 'config', 'candidates'):
            if mine[key] == other[key]:
                continue
            have, want = mine[key], other[key]
            if isinstance(have, dict) and isinstance(want, dict):
                names = [n for n in {**want, **have} if have.get(n) != want.get(n)]
                key, have, want = f'{key}.{names[0]}', have.get(names[0]), want.get(names[0])
            raise CostError(
                f'the table of {self.unit} is of another super-net: its {key} is {have!r:.100}, '
                f'the super-net has {want!r:.100}; make a table of this super-net'
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``null`` stands for what was pruned."""
        rows = {n: [None if math.isnan(v) else v for v in row] for n, row in self.entries.items()}
        return {'schema': SCHEMA, **asdict(self), 'entries': rows}

    @classmethod
    def from_dict(cls, data: Any) -> CostTable:
        """Build from the JSON form; raises :class:`CostError` naming the wrong field."""
        keys = {'schema', 'unit', 'fixed', 'entries', 'super_net', 'measured'}
        if not isinstance(data, Mapping) or data.keys() != keys:
            odd = sorted(keys ^ data.keys()) if isinstance(data, Mapping) else type(data).__name__
            raise CostError(f'expected the keys {sorted(keys)}; missing or unknown: {odd}')
        if data['schema'] != SCHEMA:
            raise CostError(f'schema: expected {SCHEMA}, got {data["schema"]!r:.60}')
        if data['unit'] not in UNITS:
            raise CostError(f'unit: expected one of {list(UNITS)}, got {data["unit"]!r:.60}')
        fixed = _number(data['fixed'], 'fixed', lowest=-math.inf)
        net, entries = data['super_net'], data['entries']
        parts = {'space': str, 'config': Mapping, 'candidates': Mapping}
        for key, kind in parts.items():
            if not isinstance(net, Mapping) or not isinstance(net.get(key), kind):
                raise CostError(f'super_net.{key}: expected a {kind.__name__.lower()}')
        if not isinstance(entries, Mapping) or entries.keys() != net['candidates'].keys():
            raise CostError(f'entries: expected the choices {list(net["candidates"])!r:.200}')
        rows = {}
        for name, row in entries.items():
            ops = net['candidates'][name]
            if not isinstance(row, list) or not isinstance(ops, list) or len(row) != len(ops):
                raise CostError(f'entries.{name}: expected one number for each of {ops}')
            rows[name] = [
                math.nan if v is None else _number(v, f'entries.{name}[{i}]')
                for i, v in enumerate(row)
            ]
        if not isinstance(data['measured'], Mapping):
            raise CostError(f'measured: expected a mapping, got {data["measured"]!r:.60}')
        return cls(data['unit'], fixed, rows, dict(net), dict(data['measured']))

    def save(self, path: str | os.PathLike) -> None:
        """Write the JSON file atomically."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        write_atomic(path, f'{text}\n'.encode())

    @classmethod
    def load(cls, path: str | os.PathLike, net: SuperNet | None = None) -> CostTable:
        """Read a file that :meth:`save` wrote; with ``net``, check that it is of this super-net.

        Raises:
            CostError: If the file is missing, damaged or of another super-net.
        """
        try:
            table = cls.from_dict(json.loads(File(path).read_bytes()))
            if net is not None:
                table.check(net)
        except CostError as error:
            raise CostError(f'{path}: {error}') from None
        except OSError as error:
            raise CostError(f'{path}: {error.strerror}; expected a table of costs') from None
        except (ValueError, RecursionError) as error:
            raise CostError(f'{path}: not valid JSON: {error}') from None
        return table


def _number(value: Any, where: str, lowest: float = 0) -> float:
    """Check a number of a file: finite, not below ``lowest``."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < lowest:
        least = '' if lowest == -math.inf else f' from {lowest}'
        raise CostError(f'{where}: expected a finite number{least}, got {value!r:.60}')
    return value


# -- the candidates of a super-net -----------------------------------------------------------------


def super_net_of(model: nn.Module) -> SuperNet:
    """Return the super-net that a model is, or has as its backbone.

    Raises:
        TypeError: If it has none.
    """
    for net in (model, getattr(model, 'backbone', None)):
        if isinstance(net, SuperNet):
            return net
    raise TypeError(f'{type(model).__name__}: expected a super-net, or a model on top of one')


@dataclass(frozen=True)
class Candidate:
    """A candidate in one block: choice, index, block, and its module (``none`` has none)."""

    choice: Choice
    index: int
    block: str
    place: nn.Module | None

    @property
    def module(self) -> nn.Module | None:
        """What is computed: where a super-net was expanded, one of the equal copies."""
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
    """Return a choice's modules of its own by operation, and those shared with other edges."""
    holder: Any = block.nodes[choice.node - block.inputs]
    if choice.source is None:
        return holder, {}
    pools: Any = getattr(block, 'pools', {})
    return holder[str(choice.source)], pools[str(choice.source)] if pools else {}


def sums(net: SuperNet, costs: Mapping[Candidate, float]) -> dict[str, list[float]]:
    """Return a table's entries: the costs of each candidate, summed over the blocks."""
    entries = {n: [math.nan] * len(c.candidates) for n, c in net.choices.items() if not c.gates}
    for candidate, cost in costs.items():
        row, i = entries[candidate.choice.name], candidate.index
        row[i] = cost if math.isnan(row[i]) else row[i] + cost
    return entries


def some_path(net: SuperNet) -> Path:
    """Return a valid path, always the same one."""
    return net.random_path(np.random.default_rng(0))


@contextmanager
def running(model: nn.Module, path: Path) -> Iterator[None]:
    """Let a model run one architecture of its super-net, in evaluation mode, without gradients."""
    net = super_net_of(model)
    mixture, modes = net.mixture, {m: m.training for m in model.modules()}
    net.mixture = Fixed(path)
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        net.mixture = mixture
        for module, mode in modes.items():
            module.training = mode


def run_on_meta(module: nn.Module, shape: Sequence[int]) -> int:
    """Run a module on shapes alone and return its multiply-adds.

    Counted are convolutions and matrix products, as torch counts them (it takes two operations
    for a multiply-add); norms, activations, pools and sums are left out.

    Args:
        module: Takes one image batch; its own tensors stay as they are.
        shape: Of the input, ``(N, C, H, W)``.
    """
    tensors = chain(module.named_parameters(), module.named_buffers())
    meta = {name: tensor.to('meta') for name, tensor in tensors}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        functional_call(module, meta, (torch.empty(*shape, device='meta'),))
    return counter.get_total_flops() // 2


@contextmanager
def _recorded(net: SuperNet) -> Iterator[dict[tuple[str, str], tuple[int, ...]]]:
    """Record, in each forward, the input shape of every choice, by block and choice."""
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    blocks = dict(net.blocks())
    handles = []

    def of_states(path: str, block: Mixed) -> Any:
        # modules on edges may be fused, so they are not called: the nodes say what they read
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

    Candidates in stages behind the last of ``out_indices`` are not computed and left out.

    Args:
        model: A super-net or a model on top of one.
        shape: Of the images, ``(N, C, H, W)``.
    """
    net = super_net_of(model)
    with running(model, some_path(net)), _recorded(net) as shapes:
        total = run_on_meta(model, shape)
    found = ((c, shapes.get((c.block, c.choice.name))) for c in candidates(net))
    return {c: shape for c, shape in found if shape is not None}, total


def alike(
    shapes: Mapping[Candidate, tuple[int, ...]],
) -> list[tuple[tuple[nn.Module | None, tuple[int, ...]], list[Candidate]]]:
    """Group candidates that compute the same: operation, printed module and input shape are equal.

    Args:
        shapes: Input shape of each candidate, see :func:`input_shapes`.

    Returns:
        For each group one module with its input shape, and all of its candidates.
    """
    groups: dict[tuple, list[Candidate]] = {}
    for c, shape in shapes.items():
        key = c.choice.candidates[c.index], repr(c.module), shape
        groups.setdefault(key, []).append(c)
    return [((group[0].module, key[-1]), group) for key, group in groups.items()]


# -- tables ----------------------------------------------------------------------------------------


def flops_table(model: nn.Module, input_shape: Sequence[int]) -> CostTable:
    """Return the multiply-adds of every candidate (see :func:`run_on_meta` for what counts).

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
    """Return the parameters of every candidate; of an expanded super-net, those of one copy.

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
