"""Runs the searches of a study; a stopped study goes on, and several processes share the work."""

from __future__ import annotations

import inspect
import os
import resource
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError, mappings
from ..engine.best_of_seeds import failure
from ..engine.checkpoint import latest_checkpoint
from ..engine.run import load_run, require_search
from ..engine.settings import settings_of
from ..engine.work_dir import BusyError, alone
from ..spaces.super_net import SuperNet
from ..utils.files import checksum, read_json, write_json
from ..utils.jobs import JobError, Jobs, NothingFoundError
from ..utils.registries import MODELS
from .plan import Plan, Row, open_table
from .published import NOTHING, Published
from .rank import rank_architectures

DONE = 'done.json'
SPENT = 'spent.json'
"""Processor time of a search so far; a stopped one goes on, and counts on."""


def config_of(plan: Plan, row: Row, folder: Path) -> Any:
    """Return the config of a row's search, as its tool reads it.

    Raises:
        ConfigError: If the config is wrong or is not that of a search.
    """
    options = {**plan.options, **row.options}
    given = Namespace(
        config=str(row.config),
        cfg_options=options,
        work_dir=str(folder),
        seed=0,
        launcher='none',
        local_rank=0,
    )
    config = load_run(given)
    require_search(config, str(row.config))
    return config


def settings_of_rows(plan: Plan, folder: Path) -> dict[str, str]:
    """Return, for each row, a checksum of all that its results follow from, besides the seed.

    Raises:
        ConfigError: If a config is wrong or is not that of a search in the space of the study.
    """
    found = {}
    for row in plan.rows:
        config = config_of(plan, row, folder / row.name)
        spaces = set(_spaces(config))
        if spaces and plan.space not in spaces:
            raise ConfigError(
                f'row {row.name}: {row.config} searches in {", ".join(sorted(spaces))}; the space '
                f'of the study is {plan.space}'
            )
        found[row.name] = _settings(plan, row, config)
    return found


def _spaces(config: Any) -> Iterator[str]:
    """Yield the space of every super-net of a config."""
    with MODELS.switch_scope_and_registry(config.get('default_scope')) as registry:
        for node in mappings(config.model):
            kind = node.get('type')
            kind = registry.get(kind) if isinstance(kind, str) else kind
            if inspect.isclass(kind) and issubclass(kind, SuperNet):
                yield kind.space


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
        ConfigError: If a config is wrong, or a row was run with other settings.
        TableError: If the table is missing or damaged, or lacks a data set of the study.
    """
    open_table(plan)
    settings = settings_of_rows(plan, folder)
    wanted = _wanted(plan, published)
    jobs, failed, busy = Jobs(len(wanted)), [], []
    for row, seed in wanted:
        place = folder / row.name / f'seed-{seed}'
        try:
            if not _source_done(row, seed, folder, settings):
                busy.append(f'{row.name}, seed {seed} (waits for {row.starts_from})')
                continue
            with alone(place):
                _run_one(plan, row, seed, place, settings[row.name], jobs, tool)
        except BusyError:
            busy.append(f'{row.name}, seed {seed}')
        except JobError as error:
            failed.append(f'{row.name}, seed {seed}: {error}')
    return busy, failed


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


def _settings(plan: Plan, row: Row, config: Any) -> str:
    about: dict[str, Any] = dict(
        best_of=row.best_of, ranks=row.ranks, cells=plan.cells if row.ranks else 0
    )
    if row.starts_from:
        about['starts_from'] = row.starts_from
    found = {k: v for k, v in settings_of(config).items() if k != 'randomness.seed'}
    return checksum({**found, **{f'study.{k}': v for k, v in about.items()}})


def is_done(place: Path, settings: str) -> bool:
    """Return whether the search of a place has ended.

    Raises:
        ConfigError: If it was run with other settings.
    """
    if not (place / DONE).is_file():
        return False
    if read_json(place / DONE)['settings'] != settings:
        raise ConfigError(
            f'{place} has results of other settings; remove the folder of the row, or use another '
            '--work-dir'
        )
    return True


def _source_done(row: Row, seed: int, folder: Path, settings: Mapping[str, str]) -> bool:
    """Return whether the search that a row starts from, if any, has ended."""
    name = row.starts_from
    return name is None or is_done(folder / name / f'seed-{seed}', settings[name])


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
        given['load_from'] = latest_checkpoint(source / 'search')
        if given['load_from'] is None and not done:
            raise ConfigError(
                f'row {row.name} starts from {source}/search, which has no checkpoint'
            )
        spent = read_json(source / DONE)['core_seconds']
    words = [f'{k}={v}' for k, v in given.items()]
    options = ['--cfg-options', *words] if words else []
    failed = ''
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
