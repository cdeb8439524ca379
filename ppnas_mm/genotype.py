"""Genotype: an architecture as data, read from and written to versioned JSON.

One grammar serves every search space.  An architecture is a list of *cells*.  A cell has
``inputs`` input nodes, numbered from 0, and then computed nodes, numbered on.  A computed node
combines one or more *edges*; an edge applies one candidate operation to the mean of the nodes
it reads.  So PP-NAS' node (several inputs, one op) is one edge with several sources, and a
DARTS node (two ops, each on one input) is two edges with one source each.

Only the standard library is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .utils import schema
from .utils.files import KEY, DamagedFileError, check, checksum, write_atomic
from .utils.schema import SchemaError

SCHEMA = 1
GENOTYPE_DIR = Path(__file__).parent / 'genotypes'
MAX_NODES = 256


class GenotypeError(ValueError):
    """An architecture file or dict that breaks the schema; the message names the field."""


class DegenerateArchitectureError(GenotypeError):
    """A search ended in an architecture with empty nodes or dropped input groups."""


@dataclass(frozen=True)
class Edge:
    """``op`` applied to the mean of the nodes ``sources`` (numbers of nodes in the cell)."""

    op: str
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph: ``inputs`` input nodes, then one tuple of edges a node."""

    name: str
    inputs: int
    nodes: tuple[tuple[Edge, ...], ...]


@dataclass(frozen=True)
class SpaceRule:
    """What the cells of a space may hold; ``None`` means no upper bound.

    Args:
        ops: Names of the candidate operations.
        edges: Least and most edges a node.
        sources: Least and most sources an edge.
        inputs: Least and most input nodes a cell.
        square: Whether a cell has as many computed nodes as input nodes.
        wiring: ``'any'`` earlier nodes may be read, or exactly the ``'previous'`` node (a chain),
            or ``'every'`` earlier node, by one edge each.
        cells: Names of the cells, where they are fixed.
        not_first: Operations that the first computed node of a cell may not hold.
    """

    ops: set[str]
    edges: tuple[int, int | None] = (1, None)
    sources: tuple[int, int | None] = (1, None)
    inputs: tuple[int, int | None] = (1, None)
    square: bool = False
    wiring: str = 'any'
    cells: tuple[str, ...] | None = None
    not_first: frozenset[str] = frozenset()


SPACE_RULES: dict[str, SpaceRule] = {
    'ppconv': SpaceRule(
        ops={
            'identity',
            'conv_1x1',
            'conv_3x3',
            'conv_5x5',
            'dw_conv_3x3',
            'dw_conv_5x5',
            'dilated_conv_3x3',
        },
        edges=(1, 1),
        square=True,
    ),
    'darts': SpaceRule(
        ops={
            'max_pool_3x3',
            'avg_pool_3x3',
            'skip_connect',
            'sep_conv_3x3',
            'sep_conv_5x5',
            'dil_conv_3x3',
            'dil_conv_5x5',
        },
        edges=(2, 2),
        sources=(1, 1),
        inputs=(2, 2),
        cells=('normal', 'reduction'),
    ),
    'nasbench201': SpaceRule(
        ops={'none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'},
        sources=(1, 1),
        inputs=(1, 1),
        wiring='every',
        cells=('cell',),
    ),
    'chain': SpaceRule(
        ops={f'mbconv_{k}x{k}_e{e}_se' for k in (3, 5, 7) for e in (4, 6)} | {'identity'},
        edges=(1, 1),
        sources=(1, 1),
        inputs=(1, 1),
        wiring='previous',
        not_first=frozenset({'identity'}),
    ),
    'mobile': SpaceRule(
        ops={f'mbconv_{k}x{k}_e{e}' for k in (3, 5, 7) for e in ('3', '6', '6_g2')} | {'identity'},
        edges=(1, 1),
        sources=(1, 1),
        inputs=(1, 1),
        wiring='previous',
        cells=tuple(f'stage{s}' for s in range(1, 7)),
        not_first=frozenset({'identity'}),
    ),
    'nasbench-macro': SpaceRule(
        ops={'shortcut', 'mbconv_3x3_e3', 'mbconv_5x5_e6'},
        edges=(1, 1),
        sources=(1, 1),
        inputs=(1, 1),
        wiring='previous',
        cells=('stage1', 'stage2', 'stage3'),
    ),
}


def _edge(value: Any, where: str, rule: SpaceRule, node: int) -> Edge:
    data = schema.mapping(value, where, ('op', 'sources'))
    op = schema.one_of(data['op'], f'{where}.op', rule.ops)
    where = f'{where}.sources'
    sources = schema.sequence(data['sources'], where, *rule.sources)
    for i in sources:
        if schema.integer(i, where, 0, MAX_NODES) >= node:
            raise SchemaError(f'{where}: node {node} cannot read node {i}: this makes a cycle')
    if len(set(sources)) != len(sources):
        raise SchemaError(f'{where}: a source is listed twice in {sources}')
    return Edge(op, tuple(sorted(sources)))  # one form, one hash


def _check_wiring(read: list[tuple[int, ...]], where: str, rule: SpaceRule, node: int) -> None:
    if len(set(read)) != len(read):
        raise SchemaError(f'{where}: two edges have the same sources: {read}')
    wanted = {'previous': [(node - 1,)], 'every': [(i,) for i in range(node)]}.get(rule.wiring)
    if wanted is not None and read != wanted:
        schema.fail(where, f'edges from {wanted}', read)


def _cell(value: Any, where: str, rule: SpaceRule) -> Cell:
    data = schema.mapping(value, where, ('name', 'inputs', 'nodes'))
    if not isinstance(data['name'], str) or not data['name']:
        schema.fail(f'{where}.name', 'a name', data['name'])
    low, high = rule.inputs
    inputs = schema.integer(data['inputs'], f'{where}.inputs', low, high or 64)
    bounds = (inputs, inputs) if rule.square else (1, MAX_NODES - inputs)
    nodes = []
    for n, edges in enumerate(schema.sequence(data['nodes'], f'{where}.nodes', *bounds), inputs):
        spot = f'{where}.nodes[{n}]'
        if edges == []:
            raise SchemaError(f'{spot}: a node without input')
        values = schema.sequence(edges, spot, *rule.edges)
        parsed = [_edge(e, f'{spot}[{i}]', rule, n) for i, e in enumerate(values)]
        for i, edge in enumerate(parsed):
            if n == inputs and edge.op in rule.not_first:
                raise SchemaError(
                    f'{spot}[{i}].op: the first node of a cell may not hold {edge.op!r}; '
                    f'allowed: {sorted(rule.ops - rule.not_first)}'
                )
        nodes.append(tuple(sorted(parsed, key=lambda edge: edge.sources)))  # one form, one hash
        _check_wiring([edge.sources for edge in nodes[-1]], spot, rule, n)
    return Cell(data['name'], inputs, tuple(nodes))


@dataclass(frozen=True)
class Genotype:
    """An architecture of a search space.

    Args:
        space: Name of the search space, a key of :data:`SPACE_RULES`.
        cells: The cells, in the order of the network (PP-NAS: one a stage).
        provenance: Where it comes from (paper, figure, source, seed, ...); plain JSON, not part
            of equality or of the hash.

    Raises:
        GenotypeError: If a cell breaks the rules of the space.
    """

    space: str
    cells: tuple[Cell, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'cells', _parse(self.to_dict())[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as plain dicts and lists."""
        cells = [
            {
                'name': cell.name,
                'inputs': cell.inputs,
                'nodes': [
                    [{'op': e.op, 'sources': list(e.sources)} for e in edges]
                    for edges in cell.nodes
                ],
            }
            for cell in self.cells
        ]
        return {
            'schema': SCHEMA,
            'space': self.space,
            'cells': cells,
            'provenance': dict(self.provenance),
        }

    def to_json(self) -> str:
        """Return readable JSON, one computed node a line."""
        data = self.to_dict()
        cells = []
        for cell in data['cells']:
            nodes = ',\n'.join(f'      {json.dumps(edges)}' for edges in cell['nodes'])
            name = json.dumps(cell['name'])
            cells.append(
                f'    {{"name": {name}, "inputs": {cell["inputs"]}, "nodes": [\n{nodes}\n    ]}}'
            )
        provenance = json.dumps(data['provenance'], indent=2, allow_nan=False)
        return (
            f'{{\n  "schema": {SCHEMA},\n  "space": {json.dumps(self.space)},\n  "cells": [\n'
            + ',\n'.join(cells)
            + '\n  ],\n  "provenance": '
            + provenance.replace('\n', '\n  ')
            + '\n}\n'
        )

    @property
    def hash(self) -> str:
        """SHA-256 (64 hex digits) of space and cells; provenance does not count."""
        data = {k: v for k, v in self.to_dict().items() if k != 'provenance'}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write the JSON file, with a checksum of all of it, atomically."""
        digest = checksum(json.loads(self.to_json()))
        text = self.to_json().removesuffix('\n}\n') + f',\n  "{KEY}": "{digest}"\n}}\n'
        write_atomic(path, text.encode())

    @classmethod
    def from_dict(cls, data: Any) -> Genotype:
        """Build from the JSON form; raises :class:`GenotypeError` naming the wrong field."""
        return cls(*_parse(data))

    @classmethod
    def from_json(cls, text: str | bytes) -> Genotype:
        """Build from JSON text; raises nothing but :class:`GenotypeError`."""
        try:
            data = schema.parse(text)
            if isinstance(data, dict):
                data = check(data)
        except (SchemaError, DamagedFileError) as error:
            raise GenotypeError(f'genotype: {error}') from None
        return cls.from_dict(data)

    @classmethod
    def load(cls, source: Genotype | str | os.PathLike | Mapping) -> Genotype:
        """Load from a published name, a path of a JSON file, or a dict.

        Raises:
            GenotypeError: If the name or file does not exist or the content is not valid.
        """
        if isinstance(source, Genotype):
            return source
        if isinstance(source, Mapping):
            return cls.from_dict(source)
        if not isinstance(source, (str, os.PathLike)):
            raise GenotypeError(f'genotype: expected a name, path or dict, got {source!r:.60}')
        path = GENOTYPE_DIR / f'{source}.json' if str(source) in published() else Path(source)
        try:
            return cls.from_json(path.read_bytes())
        except GenotypeError as error:
            raise GenotypeError(f'{path}: {error}') from None
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or str(error)
            raise GenotypeError(
                f'genotype {str(source)!r:.200}: {reason}; give a JSON file or one of: '
                + ', '.join(published())
            ) from None


def published() -> tuple[str, ...]:
    """Names of the architectures that ship with the package."""
    return tuple(sorted(p.stem for p in GENOTYPE_DIR.glob('*.json')))


def _parse(data: Any) -> tuple[str, tuple[Cell, ...], dict[str, Any]]:
    try:
        return _checked(data)
    except SchemaError as error:
        raise GenotypeError(f'genotype: {error}') from None


def _checked(data: Any) -> tuple[str, tuple[Cell, ...], dict[str, Any]]:
    data = schema.mapping(data, 'file', ('schema', 'space', 'cells'), ('provenance',))
    schema.version(data['schema'], 'schema', SCHEMA)
    space = schema.one_of(data['space'], 'space', SPACE_RULES)
    values = schema.sequence(data['cells'], 'cells', 1, MAX_NODES)
    cells = tuple(_cell(c, f'cells[{i}]', SPACE_RULES[space]) for i, c in enumerate(values))
    names = [cell.name for cell in cells]
    if len(set(names)) != len(names):
        raise SchemaError(f'cells: two cells share a name: {names}')
    wanted = SPACE_RULES[space].cells
    if wanted is not None and tuple(names) != wanted:
        schema.fail('cells', f'the cells {list(wanted)}', names)
    provenance = schema.mapping(data.get('provenance', {}), 'provenance')
    return space, cells, schema.plain(provenance, 'provenance')
