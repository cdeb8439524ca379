"""Measure the latency of a super-net's candidates, and how well sums predict whole networks.

Each candidate is timed alone on input of its real shape.  The fixed part is the time that reference
architectures take beyond the sum of their candidates (SE-NAS does not specify this).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..spaces.mixture import ArchPath
from ..utils.registries import MODELS
from ..utils.tables import table as text_table
from ..utils.timing import device_name, timings
from ..version import __version__
from .counting import Candidate, alike, candidates, input_shapes, running, sums
from .table import CostError, CostTable, describe, super_net_of


class Check(NamedTuple):
    """Latency of a whole network in milliseconds: the sum from its table, and the measurement."""

    table: float
    measured: float

    @property
    def error(self) -> float:
        """Relative error of the table's sum."""
        return self.table / self.measured - 1


@contextmanager
def _networks(model: nn.Module, paths: Sequence[ArchPath], x: Tensor) -> Iterator[list[Callable]]:
    """Yield a call for each path: the model with the derived network as its backbone."""
    net: Any = super_net_of(model)

    def on_top(derived: nn.Module) -> None:
        model.backbone = derived
        model(x)

    runs: list[Callable] = []
    for path in paths:
        derived = MODELS.build(net.backbone_config(net.to_genotype(path))).to(x.device).eval()
        runs.append(partial(derived, x) if model is net else partial(on_top, derived))
    try:
        yield runs
    finally:
        if model is not net:
            model.backbone = net


def _paths(net: Any, number: int, seed: int) -> list[ArchPath]:
    rng = np.random.default_rng(seed)
    return [net.random_path(rng) for _ in range(number)]


def latency_table(
    model: nn.Module,
    input_shape: Sequence[int],
    batch_size: int = 1,
    repeats: int = 20,
    warmup: int = 3,
    references: int = 4,
) -> CostTable:
    """Measure the milliseconds of every candidate for one batch, on the model's device.

    Measured in evaluation mode, without gradients, with torch's number of threads.  Candidates that
    compute the same (:func:`.costs.alike`) are measured once.

    Args:
        model: A super-net, or a model on top of one: then neck and head are in the fixed part.
        input_shape: Of one image, ``(C, H, W)``.
        batch_size: Images per batch.
        repeats: Number of timings of each candidate and network, of which the median is taken.
        warmup: Calls of each before.
        references: Number of random architectures; the median of their time beyond that of their
            candidates is the fixed part.

    Raises:
        TypeError: If the model has no super-net.
        ValueError: If a number is below 1.
    """
    if batch_size < 1 or references < 1:
        raise ValueError(f'batch_size={batch_size}, references={references}: expected from 1')
    net: Any = super_net_of(model)
    device = next(net.parameters()).device
    x = torch.randn(batch_size, *input_shape, device=device)
    groups = alike(input_shapes(model, x.shape)[0])
    inputs = {shape: torch.randn(shape, device=device) for (_, shape), _ in groups}
    paths = _paths(net, references, seed=0)
    runs: dict[Any, Callable[[], Any]] = {}
    with running(model, {}), _networks(model, paths, x) as networks:
        for i, ((module, shape), _) in enumerate(groups):
            if module is not None:
                runs[i] = partial(module, inputs[shape])
        runs.update({('whole', k): run for k, run in enumerate(networks)})
        taken = timings(runs, device, repeats, warmup)
    costs: dict[Candidate, float] = dict.fromkeys(candidates(net), 0.0)
    for i, (_, group) in enumerate(groups):
        costs.update(dict.fromkeys(group, taken.get(i, 0.0)))
    measured = dict(
        input_shape=list(input_shape),
        batch_size=batch_size,
        device=device_name(device),
        threads=torch.get_num_threads(),
        repeats=repeats,
        versions={'torch': torch.__version__, 'ppnas_mm': __version__},
    )
    table = CostTable('latency', 0.0, sums(net, costs), describe(net), measured)
    rest = [taken['whole', k] - table(path) for k, path in enumerate(paths)]
    return replace(table, fixed=statistics.median(rest))


def check_latency(
    table: CostTable, model: nn.Module, paths: int = 5, repeats: int = 20, warmup: int = 3
) -> list[Check]:
    """Measure random derived networks and compare them with the sums of the table.

    Args:
        table: The result of :func:`latency_table` on this device.
        model: The model that the table was measured for.
        paths: Number of random architectures, different from the references of the table.
        repeats: Timings of each.
        warmup: Calls of each before.

    Raises:
        CostError: If the table is for another super-net, device or unit.
    """
    net: Any = super_net_of(model)
    table.check(net)
    device = next(net.parameters()).device
    here = device_name(device)
    if table.unit != 'latency' or table.measured.get('device') != here:
        raise CostError(
            f'the table is for {table.unit} on {table.measured.get("device")}; expected latency '
            f'on {here}'
        )
    x = torch.randn(table.measured['batch_size'], *table.measured['input_shape'], device=device)
    chosen = _paths(net, paths, seed=1)
    with running(model, {}), _networks(model, chosen, x) as networks:
        taken = timings(dict(enumerate(networks)), device, repeats, warmup)
    return [Check(table(path), taken[k]) for k, path in enumerate(chosen)]


def latency_report(table: CostTable, checks: Sequence[Check]) -> str:
    """Return the table, the check and the conditions as text."""
    by_choice: Mapping[str, list[str]] = table.super_net['candidates']
    ops = list(dict.fromkeys(op for known in by_choice.values() for op in known))
    rows = []
    for name, costs in table.entries.items():
        values = dict(zip(by_choice[name], costs, strict=True))
        rows.append([name, *(f'{values[op]:.3f}' if op in values else '-' for op in ops)])
    parts = [text_table(['choice, ms', *ops], rows), f'not searched: {table.fixed:.3f} ms']
    if checks:
        header = ['network', 'sum of the table, ms', 'measured, ms', 'relative error, %']
        found = [
            [str(k), f'{c.table:.3f}', f'{c.measured:.3f}', f'{100 * c.error:+.1f}']
            for k, c in enumerate(checks, 1)
        ]
        worst = max(abs(c.error) for c in checks)
        parts += [text_table(header, found), f'largest relative error: {100 * worst:.1f} %']
    m = table.measured
    shape = ' x '.join(map(str, m['input_shape']))
    parts.append(
        f'{m["device"]}, {m["threads"]} threads, batch {m["batch_size"]} of {shape}, median of '
        f'{m["repeats"]}, torch {m["versions"]["torch"]}'
    )
    return '\n\n'.join(parts)
