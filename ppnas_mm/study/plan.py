"""What a study compares, read from a YAML file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from ..config.options import option_word, read_value
from ..config.shipped import find_config
from ..tables import TABLES, BenchmarkTable
from ..utils import schema
from ..utils.doors import RefusedFileError, read_yaml
from ..utils.schema import SchemaError

MOST = 4_000_000
"""Greatest seed; those of ``best_of`` are a thousand times larger, and numpy takes 32 bits."""
RANKS = ('super-net', 'alpha')
KEYS = ('space', 'table', 'rows')
ROW_OPTIONAL = ('options', 'best_of', 'ranks', 'note', 'starts_from')
OPTIONAL = ('title', 'datasets', 'seeds', 'options', 'cells', 'against', 'same_cells')


@dataclass(frozen=True)
class Row:
    """One search of a study, run with every seed.

    Args:
        name: Name of the row, also of its folder.
        config: Config of the search.
        options: Entries of the config that the row overrides.
        best_of: Number of searches for each seed, the best of which counts (see ``--seeds`` of
            ``tools/search.py``).
        ranks: What ranks architectures after the search: ``'super-net'``, its weights; ``'alpha'``,
            its architecture parameters; ``None``: nothing.
        note: What the page says about it.
        starts_from: An earlier row whose super-net, trained with the same seed, the search starts
            from; its cost is added.
    """

    name: str
    config: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    best_of: int = 1
    ranks: str | None = None
    note: str = ''
    starts_from: str | None = None


@dataclass(frozen=True)
class Plan:
    """A study: searches in a space whose architectures have all been trained.

    Args:
        space: Name of the space, a key of :data:`ppnas_mm.tables.TABLES`.
        table: File or folder of its table.
        rows: The searches.
        title: Title of the page.
        datasets: Data sets of the table to report; the first decides ranks and tests.
        seeds: Seeds of every row.
        options: Entries that all configs override, such as ``data_root``.
        cells: Number of architectures that a super-net ranks, drawn uniformly.
        against: Rows that every other row is tested against, paired by seed.
        same_cells: Rows whose rankings are compared over the architectures that all of them scored;
            a search that prunes cannot score every one.
    """

    space: str
    table: Path
    rows: tuple[Row, ...]
    title: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    options: Mapping[str, Any] = field(default_factory=dict)
    cells: int = 150
    against: tuple[str, ...] = ()
    same_cells: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(row.name for row in self.rows)

    def part(self, rows: Collection[str], seeds: Collection[int]) -> Plan:
        """Return the study of some rows, with those they start from, and of some seeds.

        Args:
            rows: Names of rows; empty: all.
            seeds: Seeds; empty: all.

        Raises:
            ConfigError: If the study has no such row or seed.
        """
        names, known = set(rows), self.names
        for kind, given, there in (('rows', rows, known), ('seeds', seeds, self.seeds)):
            if not set(given) <= set(there):
                raise ConfigError(
                    f'--{kind} {",".join(map(str, given))}: expected some of '
                    f'{",".join(map(str, there))}'
                )
        for row in reversed(self.rows):  # a row comes after the one that it starts from
            if row.name in names and row.starts_from:
                names.add(row.starts_from)
        return replace(
            self,
            rows=tuple(row for row in self.rows if row.name in names or not names),
            seeds=tuple(seed for seed in self.seeds if seed in seeds or not seeds),
        )


def load_plan(path: str | os.PathLike) -> Plan:
    """Read a study; its paths are relative to the working directory, as in configs.

    Raises:
        ConfigError: If the file is missing or wrong; the message names the key.
    """
    try:
        return _plan(read_yaml(Path(path).read_text(), str(path)), Path(path).stem)
    except OSError as error:
        raise ConfigError(f'study {path}: {error.strerror}') from None
    except RefusedFileError as error:
        raise ConfigError(f'study {error}') from None
    except (SchemaError, UnicodeDecodeError) as error:
        raise ConfigError(f'study {path}: {error}') from None


def open_table(plan: Plan) -> BenchmarkTable:
    """Return the table of a study.

    Raises:
        TableError: If it is missing or damaged, or lacks a data set of the study.
    """
    table = TABLES[plan.space].load(plan.table)
    for dataset in plan.datasets:
        table.dataset(dataset)
    return table


def _plan(data: Any, title: str) -> Plan:
    data = schema.mapping(data, 'file', KEYS, OPTIONAL)
    space = schema.one_of(data['space'], 'space', TABLES)
    given = schema.mapping(data['rows'], 'rows')
    if not given:
        schema.fail('rows', 'at least one', given)
    rows = tuple(_row(name, value, given) for name, value in given.items())
    against, same = (_names(data, key, given) for key in ('against', 'same_cells'))
    for name in same:
        if 'ranks' not in given[name]:
            schema.fail('same_cells', 'rows with ranks', name)
    seeds = schema.sequence(data.get('seeds', [0, 1, 2, 3, 4]), 'seeds', 1)
    for i, seed in enumerate(seeds):
        schema.integer(seed, f'seeds[{i}]', 0, MOST)
    if len(set(seeds)) < len(seeds):
        schema.fail('seeds', 'different numbers', seeds)
    datasets = schema.sequence(data.get('datasets', ['cifar10-test']), 'datasets', 1)
    return Plan(
        space,
        Path(schema.text(data['table'], 'table')),
        rows,
        schema.text(data.get('title', title), 'title'),
        tuple(schema.text(name, f'datasets[{i}]') for i, name in enumerate(datasets)),
        tuple(seeds),
        _options(data, ''),
        schema.integer(data.get('cells', 150), 'cells', 2),
        against,
        same,
    )


def _names(data: Mapping[str, Any], key: str, rows: Mapping[str, Any]) -> tuple[str, ...]:
    given = enumerate(schema.sequence(data.get(key, []), key))
    return tuple(schema.one_of(name, f'{key}[{i}]', rows) for i, name in given)


def _options(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    options = schema.mapping(data.get('options', {}), f'{where}options')
    for key, value in options.items():
        if key in ('randomness.seed', 'work_dir'):
            schema.fail(f'{where}options.{key}', 'no such option; the study sets it', value)
        if isinstance(value, Mapping):
            schema.fail(
                f'{where}options.{key}', 'a value; give the keys of a mapping by dots', value
            )
        try:
            options[key] = _as_typed(value)
            option_word(key, options[key])
        except ConfigError as error:
            raise SchemaError(f'{where}options.{key}: {error}') from None
    return options


def _as_typed(value: Any) -> Any:
    """Return a value as ``--cfg-options`` reads it; YAML takes ``1e-3`` for a string."""
    if isinstance(value, list):
        return [_as_typed(entry) for entry in value]
    return read_value(value) if isinstance(value, str) else value


def _row(name: Any, value: Any, others: Mapping[str, Any]) -> Row:
    where = f'rows.{name}'
    if not isinstance(name, str) or not name.replace('-', '').replace('_', '').isalnum():
        schema.fail('rows', 'names of letters, digits, - and _', name)
    data = schema.mapping(value, where, ('config',), ROW_OPTIONAL)
    named = schema.text(data['config'], f'{where}.config')
    try:
        config = find_config(named)
    except ConfigError as error:
        raise SchemaError(f'{where}.config: {error}; paths are relative to {Path.cwd()}') from None
    ranks = data.get('ranks')
    if ranks is not None:
        schema.one_of(ranks, f'{where}.ranks', RANKS)
    best_of = schema.integer(data.get('best_of', 1), f'{where}.best_of', 1)
    start = data.get('starts_from')
    if start is not None:
        names = list(others)
        schema.one_of(start, f'{where}.starts_from', names[: names.index(name)])
        if best_of > 1 or others[start].get('best_of', 1) > 1:
            schema.fail(f'{where}.starts_from', 'rows of one search a seed', start)
    return Row(
        name,
        config,
        _options(data, where + '.'),
        best_of,
        ranks,
        str(data.get('note', '')),
        start,
    )
