"""The tables of the papers: what they print, and the commands that repeat it here."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..config.keys import ConfigError
from ..utils import schema
from ..utils.doors import read_yaml
from ..utils.schema import SchemaError

FOLDER = Path(__file__).parents[1] / 'papers'
"""One YAML file for each paper."""
SCALES = ('digits', 'cifar10-20k', 'full')
"""Digits and digit scenes; 20,000 images of CIFAR-10; the data and sizes of the paper."""

SEEDED = ('search.py', 'train.py')
"""Tools that take ``--seed`` and ``--resume``."""


@dataclass(frozen=True)
class Here:
    """What was measured earlier.

    Args:
        value: The result, as its page prints it.
        seeds: The seeds, in words; ``-``: none.
        page: The page with the command and its conditions.
        measure: What was measured; '': what the run measures.
    """

    value: str
    seeds: str
    page: str
    measure: str = ''


@dataclass(frozen=True)
class Run:
    """A command, and what is read from its results.

    Args:
        command: The words after ``python``. ``{dir}`` stands for the folder of the run; without
            it, the command gets ``--work-dir``.
        measures: What is read, by the column of the paper or, on other data, by its own name; see
            :func:`ppnas_mm.study.paper_measure.read_measure`.
        seeds: The command is repeated with ``--seed N`` for each; empty: it has no such option.
        cost: What to expect, in words.
        here: What was measured earlier of the first of ``measures``.
    """

    command: tuple[str, ...]
    measures: Mapping[str, str]
    seeds: tuple[int, ...] = ()
    cost: str = ''
    here: Here | None = None


@dataclass(frozen=True)
class Prepare:
    """A command that makes a file or folder for the runs of a table, unless it is there."""

    command: tuple[str, ...]
    makes: Path


@dataclass(frozen=True)
class PaperRow:
    """A row: what the paper prints, by column, and the runs, by scale."""

    name: str
    paper: Mapping[str, str]
    runs: Mapping[str, tuple[Run, ...]]


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Args:
        paper: Name of the paper's file.
        name: The table's number, as the paper prints it.
        title: What it compares.
        columns: Names of its columns.
        rows: The rows that this package can run.
        note: What the table here leaves out or does otherwise.
        prepare: Commands to run first, by scale.
    """

    paper: str
    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PaperRow, ...]
    note: str = ''
    prepare: Mapping[str, tuple[Prepare, ...]] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[str, ...]:
        """The scales that some row can be run at."""
        return tuple(scale for scale in SCALES if any(scale in row.runs for row in self.rows))

    @property
    def label(self) -> str:
        """The paper and the number of the table or figure."""
        kind = 'Figure' if self.name.startswith('Fig') else 'Table'
        return f'{self.paper}, {kind} {self.name.removeprefix("Fig")}'

    def require(self, scale: str) -> None:
        """Raise :class:`ConfigError` if no row can be run at a scale."""
        if scale not in self.scales:
            _unknown(f'scale of {self.label}', scale, self.scales)


@dataclass(frozen=True)
class Paper:
    """The tables of a paper."""

    name: str
    title: str
    tables: Mapping[str, PaperTable]

    def table(self, name: str) -> PaperTable:
        """Return a table by its number; raises :class:`ConfigError` if there is none."""
        plain = {_plain(known): known for known in self.tables}
        if _plain(name) not in plain:
            _unknown(f'table of {self.name}', name, self.tables)
        return self.tables[plain[_plain(name)]]


def _plain(name: str) -> str:
    word = name.lower().replace('.', '').replace(' ', '').replace('ure', '')
    return word.removeprefix('table')


def _unknown(what: str, name: str, known: Collection[str]) -> NoReturn:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean {close[0]!r}? ' if close else ''
    raise ConfigError(f'unknown {what}: {name!r}; {hint}it has: {", ".join(known)}')


def papers(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the papers."""
    return tuple(sorted(path.stem for path in folder.glob('*.yml')))


def load_paper(name: str, folder: Path = FOLDER) -> Paper:
    """Read the tables of a paper.

    Raises:
        ConfigError: If there is no such paper, or its file is wrong; the message names the key.
    """
    known = papers(folder)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean {close[0]!r}? ' if close else ''
        raise ConfigError(f'unknown paper {name!r}; {hint}known: {", ".join(known)}')
    path = folder / f'{name}.yml'
    try:
        return _paper(name, read_yaml(path.read_text(), str(path)))
    except (OSError, SchemaError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: {error}') from None


def _paper(name: str, data: Any) -> Paper:
    data = schema.mapping(data, 'file', ('schema', 'title', 'tables'))
    schema.version(data['schema'], 'schema', 1)
    given = schema.mapping(data['tables'], 'tables')
    tables = {str(key): _table(name, str(key), value) for key, value in given.items()}
    return Paper(name, schema.text(data['title'], 'title'), tables)


def _table(paper: str, name: str, value: Any) -> PaperTable:
    where = f'tables.{name}'
    required = ('title', 'columns', 'rows')
    optional = ('note', 'costs', 'seeds', 'prepare')
    data = schema.mapping(value, where, required, optional)
    listed = schema.sequence(data['columns'], f'{where}.columns', 1)
    columns = tuple(schema.text(c, f'{where}.columns[{i}]') for i, c in enumerate(listed))
    given = schema.mapping(data['rows'], f'{where}.rows')
    defaults = {k: _by_scale(data.get(k, {}), f'{where}.{k}') for k in ('costs', 'seeds')}
    rows = tuple(
        _row(str(key), row, f'{where}.rows.{key}', columns, defaults) for key, row in given.items()
    )
    if not rows:
        schema.fail(f'{where}.rows', 'at least one', given)
    prepare = {
        scale: tuple(_prepare(one, f'{where}.prepare.{scale}[{i}]') for i, one in enumerate(some))
        for scale, some in _by_scale(data.get('prepare', {}), f'{where}.prepare').items()
    }
    title = schema.text(data['title'], f'{where}.title')
    return PaperTable(paper, name, title, columns, rows, str(data.get('note', '')), prepare)


def _by_scale(value: Any, where: str) -> dict[str, Any]:
    data = schema.mapping(value, where)
    for key in data:
        schema.one_of(key, where, SCALES)
    return data


def _prepare(value: Any, where: str) -> Prepare:
    data = schema.mapping(value, where, ('command', 'makes'))
    command = _words(data['command'], f'{where}.command')
    return Prepare(command, Path(schema.text(data['makes'], f'{where}.makes')))


def _row(
    name: str,
    value: Any,
    where: str,
    columns: tuple[str, ...],
    defaults: Mapping[str, Mapping[str, Any]],
) -> PaperRow:
    data = schema.mapping(value, where, ('paper',), SCALES)
    printed = schema.mapping(data['paper'], f'{where}.paper')
    for key, text in printed.items():
        schema.one_of(key, f'{where}.paper', columns)
        schema.text(text, f'{where}.paper.{key}', 'the number in quotes, as the paper prints it')
    runs = {}
    for scale in (s for s in SCALES if s in data):
        some = schema.sequence(data[scale], f'{where}.{scale}', 1)
        cost, seeds = (defaults[key].get(scale) for key in ('costs', 'seeds'))
        runs[scale] = tuple(
            _run(one, f'{where}.{scale}[{i}]', columns, cost, seeds) for i, one in enumerate(some)
        )
        labels = [label for run in runs[scale] for label in run.measures]
        if len(set(labels)) < len(labels):
            schema.fail(f'{where}.{scale}', 'each measure once', labels)
    if not runs:
        schema.fail(where, f'a command at one of {", ".join(SCALES)}', value)
    return PaperRow(name, printed, runs)


def _run(value: Any, where: str, columns: tuple[str, ...], cost: Any, seeds: Any) -> Run:
    optional = ('seeds', 'cost', 'here')
    data = schema.mapping(value, where, ('command', 'measure'), optional)
    command = _words(data['command'], f'{where}.command')
    if isinstance(data['measure'], Mapping):
        measures = schema.mapping(data['measure'], f'{where}.measure')
        for key in measures:
            schema.one_of(key, f'{where}.measure', columns)
    else:
        text = schema.text(data['measure'], f'{where}.measure')
        measures = {text.rpartition('#')[2]: text}
    for key, text in measures.items():
        schema.text(text, f'{where}.measure.{key}')
    usual = seeds if seeds and Path(command[0]).name in SEEDED else []
    given = schema.sequence(data.get('seeds', usual), f'{where}.seeds')
    return Run(
        command,
        measures,
        tuple(schema.integer(seed, f'{where}.seeds[{i}]') for i, seed in enumerate(given)),
        schema.text(data.get('cost', cost), f'{where}.cost'),
        _here(data['here'], f'{where}.here') if 'here' in data else None,
    )


def _here(value: Any, where: str) -> Here:
    data = schema.mapping(value, where, ('value', 'seeds', 'page'), ('measure',))
    return Here(**{key: schema.text(text, f'{where}.{key}') for key, text in data.items()})


def _words(value: Any, where: str) -> tuple[str, ...]:
    words = tuple(shlex.split(schema.text(value, where)))
    if not words[0].startswith('tools/'):
        schema.fail(where, 'the words after python, from tools/NAME.py on', value)
    return words
