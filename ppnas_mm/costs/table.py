"""What the architectures of a super-net cost, as tables that add up over the choices.

An architecture is one path, and the candidates of a choice see the same input whatever else is
chosen; so multiply-adds and parameters of a path are a fixed part and one term a choice, exactly,
and latency is so nearly (:mod:`ppnas_mm.costs.latency`).  A search under a limit only looks numbers
up (SE-NAS does not say how).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..spaces.mixture import ArchPath
from ..spaces.super_net import SuperNet
from ..utils.files import write_atomic

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

    def __call__(self, path: ArchPath) -> float:
        """Return the cost of a path, in :attr:`unit`; connections cost nothing.

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
            table = cls.from_dict(json.loads(Path(path).read_bytes()))
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
