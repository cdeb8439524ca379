"""Tables of costs of a super-net's candidates, which add up to the cost of an architecture.

An architecture is one path, and the candidates of a choice see the same input for any other
choices.  So the multiply-adds and parameters of a path are exactly a fixed part plus one term per
choice; for latency this holds approximately (:mod:`ppnas_mm.costs.latency`).  A search under a
limit only looks up numbers (SE-NAS does not specify this).
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..spaces.mixture import ArchPath
from ..spaces.super_net import SuperNet
from ..utils import schema
from ..utils.files import write_atomic
from ..utils.schema import SchemaError

SCHEMA = 1
UNITS = {'flops': 'multiply-adds', 'params': 'parameters', 'latency': 'milliseconds'}
FREE = ('with_cp', 'frozen_stages', 'norm_eval', 'init_cfg')
"""Arguments of a backbone that do not affect costs."""


class CostError(ValueError):
    """A table of costs is damaged or does not match; the message says what is wrong."""


def describe(net: SuperNet) -> dict[str, Any]:
    """Return what a super-net must share with a table, as plain JSON: space, size, candidates."""
    config = {k: v for k, v in net.derived_config.items() if k not in FREE}
    choices = {n: c.candidates for n, c in net.choices.items() if not c.gates}
    return json.loads(json.dumps(dict(space=net.space, config=config, candidates=choices)))


@dataclass(frozen=True)
class CostTable:
    """Costs of every candidate; called with a path it returns the architecture's cost.

    Args:
        unit: A key of :data:`UNITS`: ``'flops'`` (multiply-adds of one image), ``'params'``, or
            ``'latency'`` (milliseconds for one batch).
        fixed: Cost of all parts that are not searched.
        entries: Cost of each candidate, summed over all blocks of its cell, by choice of an
            operation; NaN: pruned.
        super_net: The super-net of the table, from :func:`describe`.
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
            CostError: If the path has an unknown choice or candidate, or a pruned one.
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
            raise CostError(f'the path has candidates that the table of {self.unit} lacks')
        return total

    def check(self, net: SuperNet) -> None:
        """Raise :class:`CostError` if the table is for another super-net than ``net``."""
        mine, other = self.super_net, describe(net)
        for key in ('space', 'config', 'candidates'):
            if mine[key] == other[key]:
                continue
            have, want = mine[key], other[key]
            if isinstance(have, dict) and isinstance(want, dict):
                names = [n for n in {**want, **have} if have.get(n) != want.get(n)]
                key, have, want = f'{key}.{names[0]}', have.get(names[0]), want.get(names[0])
            raise CostError(
                f'the table of {self.unit} is for another super-net: its {key} is {have!r:.100}, '
                f'the super-net has {want!r:.100}; make a table of this super-net'
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with ``null`` for pruned candidates."""
        rows = {n: [None if math.isnan(v) else v for v in row] for n, row in self.entries.items()}
        return {'schema': SCHEMA, **asdict(self), 'entries': rows}

    @classmethod
    def from_dict(cls, data: Any) -> CostTable:
        """Build from the JSON form; raises :class:`CostError` naming the wrong field."""
        try:
            return cls(*_checked(data))
        except SchemaError as error:
            raise CostError(str(error)) from None

    def save(self, path: str | os.PathLike) -> None:
        """Write the JSON file atomically."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        write_atomic(path, f'{text}\n'.encode())

    @classmethod
    def load(cls, path: str | os.PathLike, net: SuperNet | None = None) -> CostTable:
        """Read a file written by :meth:`save`; with ``net``, check that it is for this super-net.

        Raises:
            CostError: If the file is missing, damaged or for another super-net.
        """
        try:
            table = cls.from_dict(schema.parse(Path(path).read_bytes()))
            if net is not None:
                table.check(net)
        except (CostError, SchemaError) as error:
            raise CostError(f'{path}: {error}') from None
        except OSError as error:
            raise CostError(f'{path}: {error.strerror}; expected a table of costs') from None
        return table


def _checked(data: Any) -> tuple[str, float, dict[str, list[float]], dict, dict]:
    data = schema.mapping(
        data, 'file', ('schema', 'unit', 'fixed', 'entries', 'super_net', 'measured')
    )
    schema.version(data['schema'], 'schema', SCHEMA)
    unit = schema.one_of(data['unit'], 'unit', UNITS)
    fixed = schema.number(data['fixed'], 'fixed')
    net = schema.mapping(data['super_net'], 'super_net', ('space', 'config', 'candidates'))
    schema.text(net['space'], 'super_net.space')
    schema.mapping(net['config'], 'super_net.config')
    candidates = schema.mapping(net['candidates'], 'super_net.candidates')
    entries = schema.mapping(data['entries'], 'entries')
    if entries.keys() != candidates.keys():
        schema.fail('entries', f'the choices {list(candidates)!r:.200}', list(entries))
    rows = {}
    for name, row in entries.items():
        ops = candidates[name]
        if not isinstance(row, list) or not isinstance(ops, list) or len(row) != len(ops):
            schema.fail(f'entries.{name}', f'one number for each of {ops}', row)
        rows[name] = [
            math.nan if v is None else schema.number(v, f'entries.{name}[{i}]', 0)
            for i, v in enumerate(row)
        ]
    return unit, fixed, rows, net, schema.mapping(data['measured'], 'measured')


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
