"""Compare a step of each search with its plain formulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ..config.keys import ConfigError
from .memory import peak_memory
from .plain import all_gradients, edge_by_edge, every_candidate, every_operation, written_out
from .record import Record, conditions, timed
from .step import Setting, classifier, make_step, profile


@dataclass(frozen=True)
class Algorithm:
    """A search in the CIFAR-10 setting.

    Attributes:
        search: Config of the algorithm, without the model.
        backbone: Config of the super-net.
        plain: Context in which it computes the formulas of the paper.
        bilevel: Whether its steps update only some of the parameters of a loss, so that plain steps
            compute unused gradients.
    """

    search: dict[str, Any]
    backbone: dict[str, Any]
    plain: Callable[[], AbstractContextManager]
    bilevel: bool = True


DARTS = dict(type='ppnas_mm.DARTSSuperNet', num_cells=8, init_channels=16)
DRAWN = {**DARTS, 'combine': 'sum', 'pool_norm': True}
MOBILE = dict(type='ppnas_mm.MobileSuperNet', variant='cifar', strides=(1, 2, 2, 1, 1, 1))
PPCONV = dict(type='ppnas_mm.PPConvSuperNet', depth=20, stem_channels=16, base_channels=16)
ALGORITHMS: dict[str, Algorithm] = {
    'cdarts': Algorithm(
        dict(type='ppnas_mm.CDARTS', evaluation=dict(num_cells=20), classes=10, pools=(6, 6)),
        DARTS,
        edge_by_edge,
    ),
    'darts': Algorithm(dict(type='ppnas_mm.DARTS', order=1), DARTS, edge_by_edge),
    'darts-2nd': Algorithm(dict(type='ppnas_mm.DARTS', order=2), DARTS, edge_by_edge),
    'gdas': Algorithm(dict(type='ppnas_mm.GDAS'), DRAWN, every_operation),
    'eoinas': Algorithm(dict(type='ppnas_mm.EoiNAS'), DRAWN, every_operation),
    'spos': Algorithm(dict(type='ppnas_mm.SPOS'), MOBILE, every_candidate, bilevel=False),
    'senas': Algorithm(dict(type='ppnas_mm.SENAS'), DARTS, every_candidate, bilevel=False),
    'ppnas': Algorithm(dict(type='ppnas_mm.PPNAS'), PPCONV, written_out, bilevel=False),
}
"""The algorithms to measure; in plain form

- cdarts, darts: the mixture edge by edge, one call for each operation;
- gdas, eoinas, spos, senas: the same, with every operation computed and undrawn ones times zero;
- ppnas: equations 1 and 2 in loops over inputs and operations.
"""


@dataclass(frozen=True)
class Formulation:
    """How a step is computed.

    Attributes:
        plain: Whether to use the plain formula, and an optimizer that goes parameter by parameter.
        channels_last: Whether weights, and so maps, are channels-last.
        all_gradients: Whether to also compute gradients of parameters that the step does not
            update.
    """

    plain: bool = False
    channels_last: bool = True
    all_gradients: bool = False


FORMULATIONS = {
    'plain': Formulation(plain=True, channels_last=False, all_gradients=True),
    'plain, channels-last': Formulation(plain=True, all_gradients=True),
    'ours, contiguous': Formulation(channels_last=False),
    'ours, all gradients': Formulation(all_gradients=True),
    'ours': Formulation(),
}


def formulations(algorithm: str) -> list[str]:
    """Return the names of the formulations that differ for an algorithm.

    Raises:
        ConfigError: If the algorithm is unknown.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f'algorithm {algorithm!r}: expected one of {list(ALGORITHMS)}')
    left_out = 'ours, contiguous' if ALGORITHMS[algorithm].bilevel else 'ours, all gradients'
    return [name for name in FORMULATIONS if name != left_out]


def build(algorithm: str, formulation: str, setting: Setting) -> Callable[[], dict[str, Any]]:
    """Return a step of an algorithm in a formulation, which sets the layout."""
    what, how = ALGORITHMS[algorithm], FORMULATIONS[formulation]
    model = {**what.search, 'model': classifier(what.backbone, 10)}
    # parts use the published clipping of 5; the plain optimizer goes parameter by parameter
    sgd: dict[str, Any] = dict(clip_grad=dict(max_norm=5)) if what.bilevel else {}
    step = make_step(
        model,
        replace(setting, channels_last=how.channels_last),
        sgd,
        dict(foreach=False) if how.plain else {},
    )

    def run() -> dict[str, Any]:
        with ExitStack() as stack:
            if how.plain:
                stack.enter_context(what.plain())
            if how.all_gradients:
                stack.enter_context(all_gradients())
            return step()

    return run


def measure(
    algorithms: Sequence[str],
    batch: int = 16,
    size: int = 32,
    device: str = 'cpu',
    rounds: int = 5,
    warmup: int = 1,
    memory: bool = True,
    only: Sequence[str] | None = None,
) -> Record:
    """Measure steps; rounds for an algorithm interleave its formulations.

    ``memory``: also measure the peak memory that a step adds to weights and optimizers. ``only``:
    the :data:`FORMULATIONS` to measure; ``None``: all.
    """
    setting = Setting(batch, size, device)
    results = []
    for algorithm in algorithms:
        runs: dict[tuple, Callable] = {
            (name,): build(algorithm, name, setting)
            for name in formulations(algorithm)
            if only is None or name in only
        }
        for found in timed(('formulation',), runs, device, rounds, warmup):
            found['speed'] = 1 / found.pop('ratio')
            if memory:
                what = (algorithm, found['formulation'], setting)
                found['memory'] = peak_memory(build, *what, device=device)
            results.append({'algorithm': algorithm, 'batch': batch, **found})
    return Record('search-step', conditions(device, size=size, rounds=rounds), results)


def profiles(algorithms: Sequence[str], setting: Setting) -> str:
    """Return the profile of one default step of each algorithm."""
    found = [(name, profile(build(name, 'ours', setting), setting.device)) for name in algorithms]
    return '\n'.join(f'{name}\n{text}' for name, text in found)
