"""Runs the commands of a paper's table; finished ones are kept, in whatever table they stand."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.work_dir import BusyError, alone
from ..tables import TableError
from ..utils.files import DamagedFileError, checksum, read_json, write_json
from ..utils.jobs import JobError, Jobs, NothingFoundError
from .paper import SEEDED, PaperTable, Prepare, Run
from .paper_measure import MeasureError, check_measure, read_measure

DONE = 'done.json'
DIR = '{dir}'
SHIPPED = ('tools/', 'configs/')
"""What an installed package has, too, beside its tools."""


@dataclass(frozen=True)
class Command:
    """A command of a table.

    Args:
        words: The words after ``python``.
        place: Its folder; the same words have the same folder in every table.
    """

    words: tuple[str, ...]
    place: Path

    @property
    def folder(self) -> Path:
        """Where the tool writes."""
        return self.place / 'run'

    @property
    def named(self) -> bool:
        """Whether the tool gets ``--work-dir``."""
        return not any(DIR in word for word in self.words)

    def arguments(self, root: Path) -> list[str]:
        """Return tool and arguments, those of the package found beside ``root/tools``."""
        return [located(word.replace(DIR, str(self.folder)), root) for word in self.words]

    def shown(self, root: Path) -> list[str]:
        """Return the words that a user types."""
        place = ['--work-dir', str(self.folder)] if self.named else []
        return ['python', *self.arguments(root), *place]


def located(word: str, root: Path) -> str:
    """Return a path of the package as it is, if it is there, or else beside ``root/tools``."""
    known = word.startswith(SHIPPED) and not Path(word).exists()
    return str(root / word) if known and (root / word).exists() else word


def commands(run: Run, work_dir: Path) -> list[Command]:
    """Return the commands of a run, one for each seed."""
    made = []
    for seed in run.seeds or (None,):
        words = [*run.command]
        words += [] if seed is None else ['--seed', str(seed)]
        words += ['--resume'] if Path(words[0]).name in SEEDED else []
        configs = [Path(word).stem for word in words if word.startswith('configs/')]
        name = configs[0] if configs else Path(words[0]).stem
        name += '' if seed is None else f'_seed-{seed}'
        key = checksum({'words': words})[:8]
        made.append(Command(tuple(words), work_dir / 'runs' / f'{name}_{key}'))
    return made


def runs_of(table: PaperTable, scale: str) -> Iterator[tuple[str, Run]]:
    """Yield the name of the row and the run, in the order of the table."""
    for row in table.rows:
        for run in row.runs.get(scale, ()):
            yield row.name, run


def dry_run(table: PaperTable, scale: str, work_dir: Path, root: Path) -> list[list[str]]:
    """Return the words of the commands that a run would start, each once."""
    before = [['python', *one.command] for one in _needed(table, scale)]
    made = [c.shown(root) for _, run in runs_of(table, scale) for c in commands(run, work_dir)]
    words = [[located(word, root) for word in one] for one in before]
    return list(map(list, dict.fromkeys(map(tuple, [*words, *made]))))


def _needed(table: PaperTable, scale: str) -> list[Prepare]:
    return [one for one in table.prepare.get(scale, ()) if not one.makes.exists()]


def results_file(table: PaperTable, work_dir: Path) -> Path:
    """Return the file with what was measured for a table."""
    return work_dir / table.paper / f'{table.name}.json'


def measured(table: PaperTable, work_dir: Path) -> dict[str, Any]:
    """Return what was measured: row, scale, label.

    Raises:
        DamagedFileError: If the file is damaged.
    """
    path = results_file(table, work_dir)
    return read_json(path)['rows'] if path.is_file() else {}


def run_table(table: PaperTable, scale: str, work_dir: Path, root: Path) -> None:
    """Run the commands of a table that have not ended, and write what all of them measured.

    Args:
        table: The table.
        scale: One of its scales.
        work_dir: Folder of all papers.
        root: Folder that has ``tools`` and ``configs``.

    Raises:
        ConfigError: If the table has no such scale.
        JobError: If commands failed; the others are run first. The message has the rows.
        TableError: If a table is missing in which results are looked up.
    """
    table.require(scale)
    needed = _needed(table, scale)
    todo = list(runs_of(table, scale))
    for measure in {measure for _, run in todo for measure in run.measures.values()}:
        check_measure(measure)
    unique = {c.place for _, run in todo for c in commands(run, work_dir)}
    jobs, failed, started = Jobs(len(unique) + len(needed)), [], set[Path]()
    for one in needed:
        _prepare(one, jobs, work_dir, root)
    for row, run in todo:
        made = commands(run, work_dir)
        for command in (c for c in made if c.place not in started):
            started.add(command.place)
            try:
                with alone(command.place):
                    _execute(command, jobs, root)
            except (BusyError, DamagedFileError, JobError) as error:
                failed.append(f'row {row!r}, python {" ".join(command.words)}: {error}')
        if all((command.place / DONE).is_file() for command in made):
            try:
                _write(table, row, scale, _values(run, made), work_dir)
            except (DamagedFileError, MeasureError, TableError) as error:
                failed.append(f'row {row!r}, its results: {error}')
    if failed:
        raise JobError(f'{"; ".join(failed)}; the same command repeats only these')


def _prepare(one: Prepare, jobs: Jobs, work_dir: Path, root: Path) -> None:
    name = f'{Path(one.command[0]).stem}_{checksum({"words": one.command})[:8]}'
    tool, *words = (located(word, root) for word in one.command)
    try:
        jobs.run(False, Path(tool), work_dir / 'runs' / name, *words, named=False)
    except JobError as error:
        raise JobError(f'python {" ".join(one.command)}, before the rows: {error}') from None


def _execute(command: Command, jobs: Jobs, root: Path) -> None:
    done, reason, start = (command.place / DONE).is_file(), '', time.monotonic()
    tool, *words = command.arguments(root)
    try:
        jobs.run(done, Path(tool), command.folder, *words, named=command.named)
    except NothingFoundError as error:  # also a result
        reason = str(error)
    if not done:
        seconds = round(time.monotonic() - start, 1)
        about = dict(command=list(command.words), seconds=seconds, failed=reason)
        write_json(command.place / DONE, about)


def _values(run: Run, made: list[Command]) -> dict[str, dict[str, Any]]:
    """Return what the commands of a run measured, by label."""
    records = [read_json(command.place / DONE) for command in made]
    good = [c.folder for c, about in zip(made, records, strict=True) if not about['failed']]
    shared = dict(
        seeds=list(run.seeds),
        seconds=round(sum(about['seconds'] for about in records), 1),
        commands=[' '.join(['python', *command.words]) for command in made],
    )
    found = {}
    for label, measure in run.measures.items():
        values = [value for folder in good for value in read_measure(measure, folder)]
        known = [value for value in values if not math.isnan(value)]
        failed = len(made) - len(good) + len(values) - len(known)
        found[label] = dict(measure=measure, values=known, failed=failed, **shared)
    return found


def _write(
    table: PaperTable, row: str, scale: str, found: dict[str, dict[str, Any]], work_dir: Path
) -> None:
    rows = measured(table, work_dir)
    rows.setdefault(row, {}).setdefault(scale, {}).update(found)
    data = dict(paper=table.paper, table=table.name, title=table.title, rows=rows)
    write_json(results_file(table, work_dir), data, allow_nan=True)
