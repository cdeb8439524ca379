"""Runs the searches of a study; a stopped study goes on, and several processes share the work."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ..config.keys import ConfigError
from ..config.options import option_word
from ..engine.best_of_seeds import failure
from ..engine.checkpoint import latest_checkpoint
from ..engine.work_dir import BusyError, alone
from ..utils.files import read_json, write_json
from ..utils.jobs import JobError, Jobs, NothingFoundError
from ..utils.progress import tracked
from .plan import Plan, Row, open_table
from .published import NOTHING, Published, is_other
from .rank import rank_architectures
from .searches import check_row, settings_of_rows

DONE = 'done.json'
STARTED = 'started.json'
"""Settings of a search, written before it starts: a half-done one goes on only with these."""
FAILED = 'error.json'
SPENT = 'spent.json'
"""Processor time of a search so far; a stopped one goes on, and counts on."""


def run_study(
    plan: Plan, folder: Path, tool: Path, published: Published = NOTHING
) -> tuple[list[str], list[str]]:
    """Run the searches that are not done and that no other process is running.

    Args:
        plan: The study.
        folder: Work dir: a folder for each row, and in it one for each seed.
        tool: Path of ``tools/search.py``.
        published: Searches that need not run, unless another one starts from them.

    Returns:
        The searches that other processes are still running, and those that failed with an error.

    Raises:
        ConfigError: If a row was run with other settings, or its search cannot be built.
        TableError: If the table is missing or damaged, or lacks a data set of the study.
    """
    open_table(plan)
    settings = settings_of_rows(plan, folder)
    wanted = _wanted(plan, published)
    ends = {(r.name, is_done(_place(folder, r.name, n), settings[r.name])) for r, n in wanted}
    left, done = ({name for name, end in ends if end is kind} for kind in (False, True))
    unsure = [row for row in plan.rows if row.name in left - done]  # what one seed did, others can
    for row in tracked(unsure, 'rows checked'):
        check_row(plan, row, folder)
    jobs, busy, failed = Jobs(len(wanted)), [], dict[str, str]()
    for row, seed in wanted:
        name, source = f'{row.name}, seed {seed}', f'{row.starts_from}, seed {seed}'
        if source in failed:
            failed[name] = f'{row.starts_from}, which it starts from, failed'
            continue
        try:
            if not _source_done(row, seed, folder, settings):
                busy.append(f'{name} (waits for {row.starts_from})')
                continue
            place = _place(folder, row.name, seed)
            with alone(place), _recorded(place):
                _run_one(plan, row, seed, place, settings[row.name], jobs, tool)
        except BusyError:
            busy.append(name)
        except Exception as error:  # one search must not stop the others
            failed[name] = _in_words(error)
    return busy, [f'{name}: {text}' for name, text in failed.items()]


def check_results(plan: Plan, folder: Path, published: Published = NOTHING) -> None:
    """Check that a work dir is of this study, and that its results have its settings.

    Raises:
        ConfigError: If it is of another one, or a row was run with other settings.
    """
    page = folder / 'results.json'
    before = read_json(page) if page.is_file() else None
    if before and is_other(plan, before):
        raise ConfigError(
            f'{folder} is the work dir of another study, {before["title"]!r}; use another '
            '--work-dir'
        )
    if any(row.starts_from for row in plan.rows):
        try:
            option_word('load_from', str(folder))
        except ConfigError:
            raise ConfigError(
                f'--work-dir {str(folder)!r}: rows start from checkpoints in it, and a path with a '
                'comma, quotes or blanks at an end cannot be an option; use another'
            ) from None
    settings = settings_of_rows(plan, folder)
    for row, seed in _wanted(plan, published):
        is_done(_place(folder, row.name, seed), settings[row.name])


def _place(folder: Path, row: str, seed: int) -> Path:
    return folder / row / f'seed-{seed}'


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, JobError) else f'{type(error).__name__}: {error}'


@contextmanager
def _recorded(place: Path) -> Iterator[None]:
    """Keep the error of a search until it is tried again, for the page."""
    (place / FAILED).unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        write_json(place / FAILED, dict(error=_in_words(error)))
        raise


def failures(plan: Plan, folder: Path, published: Published = NOTHING) -> list[str]:
    """Return the searches that ended with an error when they were last tried, and the errors."""
    every = ((row.name, seed) for seed in plan.seeds for row in plan.rows)
    places = [(row, seed) for row, seed in every if not published.has(row, seed)]
    files = ((row, seed, _place(folder, row, seed) / FAILED) for row, seed in places)
    return [
        f'{row}, seed {seed}: {read_json(path)["error"]}'
        for row, seed, path in files
        if path.is_file()
    ]


def _wanted(plan: Plan, published: Published) -> list[tuple[Row, int]]:
    """Return the searches to run: those not published, and those that these start from.

    All rows with a seed come before the next seed: a part compares like with like.
    """
    wanted = []
    for seed in plan.seeds:
        left = [row for row in plan.rows if not published.has(row.name, seed)]
        sources = {row.starts_from for row in left}
        wanted += [(row, seed) for row in plan.rows if row in left or row.name in sources]
    return wanted


def is_done(place: Path, settings: str) -> bool:
    """Return whether the search of a place has ended.

    Raises:
        ConfigError: If it was run, or begun, with other settings.
    """
    files = [path for name in (STARTED, DONE) if (path := place / name).is_file()]
    if any(read_json(path)['settings'] != settings for path in files):
        raise ConfigError(
            f'{place} has results of other settings; remove the folder of the row, or use another '
            '--work-dir'
        )
    return (place / DONE).is_file()


def _source_done(row: Row, seed: int, folder: Path, settings: Mapping[str, str]) -> bool:
    """Return whether the search that a row starts from, if any, has ended."""
    name = row.starts_from
    return name is None or is_done(_place(folder, name, seed), settings[name])


def _run_one(
    plan: Plan, row: Row, seed: int, place: Path, settings: str, jobs: Jobs, tool: Path
) -> None:
    done, search = is_done(place, settings), place / 'search'
    seeds = ['--seed', seed]
    if row.best_of > 1:  # seeds of their own for each seed of the study
        own = [str(1000 * (seed + 1) + i) for i in range(row.best_of)]
        seeds = ['--seeds', ','.join(own)]
    given, spent = {**plan.options, **row.options}, 0.0
    if row.starts_from:
        source = place.parent.parent / row.starts_from / place.name
        checkpoint = latest_checkpoint(source / 'search')
        given['load_from'] = checkpoint and str(checkpoint)
        if checkpoint is None and not done:
            raise ConfigError(
                f'row {row.name} starts from {source}/search, which has no checkpoint'
            )
        spent = read_json(source / DONE)['core_seconds']
    words = [option_word(key, value) for key, value in given.items()]
    options = ['--cfg-options', *words] if words else []
    failed = ''
    if not done:
        write_json(place / STARTED, dict(settings=settings))
    try:
        with nullcontext() if done else _counted(place / SPENT):
            jobs.run(done, tool, search, row.config, *seeds, '--resume', *options)
    except NothingFoundError as error:
        failed = failure(search) or str(error)
    if done:
        return
    spent += read_json(place / SPENT)['core_seconds']
    if row.ranks and not failed:
        write_json(place / 'ranking.json', rank_architectures(plan, row, seed, search))
    write_json(place / DONE, dict(settings=settings, core_seconds=round(spent, 3), failed=failed))


@contextmanager
def _counted(path: Path) -> Iterator[None]:
    """Add the processor time of child processes to a file, also if they are stopped.

    What a process used that died of SIGKILL itself is not counted.
    """
    earlier = read_json(path)['core_seconds'] if path.is_file() else 0.0
    before = _core_seconds()
    try:
        yield
    finally:
        write_json(path, dict(core_seconds=round(earlier + _core_seconds() - before, 3)))


def _core_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def threads() -> str:
    """Return the number of threads of a search, as the environment sets it."""
    return os.environ.get('OMP_NUM_THREADS', 'all')
