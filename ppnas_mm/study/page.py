"""The page of a study: tables, pictures and the files beside them."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..analysis.statistics import paired_p
from ..utils.files import write_atomic, write_json
from ..version import __version__
from ..visualize.study import draw_costs, draw_curves
from .plan import Plan
from .published import NOTHING, Published, check_kept
from .results import costs, results
from .run import failures, threads


def write_page(
    plan: Plan,
    folder: Path,
    command: str,
    busy: list[str],
    publish: Path | None = None,
    published: Published = NOTHING,
) -> str:
    """Write ``results.json``, ``costs.json``, ``study.md`` and pictures; return the page.

    Args:
        plan: The study.
        folder: Its work dir, which gets the files.
        command: The command that runs it.
        busy: Searches that other processes are running.
        publish: A second folder that gets them; its page has the command without the work dir.
        published: Searches that were run elsewhere.

    Raises:
        ConfigError: If a search was run with other settings, or if the second folder would lose
            results.
    """
    found, spent = results(plan, folder, published), costs(plan, folder, published)
    open_ends = {
        'Left to other processes': busy,
        'Ended with an error, to be tried again': failures(plan, folder, published),
    }
    notes = [
        f'{head}:\n\n' + '\n'.join(f'- {x}' for x in all_)
        for head, all_ in open_ends.items()
        if all_
    ]
    text = _write(plan, found, spent, folder, command, notes)
    if publish:
        check_kept(publish, found)
        _write(plan, found, spent, publish, command.partition(' --work-dir')[0], notes)
    return text


def _write(
    plan: Plan,
    found: Mapping[str, Any],
    spent: Mapping[str, Mapping[str, float]],
    target: Path,
    command: str,
    notes: list[str],
) -> str:
    target.mkdir(parents=True, exist_ok=True)
    write_json(target / 'results.json', found)
    write_json(target / 'costs.json', spent)
    for name in ('epochs.svg', 'costs.svg'):  # of an earlier page
        (target / name).unlink(missing_ok=True)
    pictures = []
    if any('by_epoch' in s for row in found['rows'].values() for s in row['seeds'].values()):
        draw_curves(found, target / 'epochs.svg')
        pictures.append('![accuracy against epoch](epochs.svg)')
    if any(row['summary'].get(plan.datasets[0]) for row in found['rows'].values()):
        draw_costs(found, spent, target / 'costs.svg')
        pictures.append('![accuracy against cost](costs.svg)')
    text = '\n\n'.join([*_text(plan, found, spent, command, ' '.join(notes)), *notes, *pictures])
    write_atomic(target / 'study.md', f'{text}\n'.encode())
    return text


def _text(
    plan: Plan,
    found: Mapping[str, Any],
    spent: Mapping[str, Mapping[str, float]],
    command: str,
    notes: str,
) -> list[str]:
    truth = '; '.join(
        f'{name}: mean of all {about["mean"]:.2f}, best {about["optimum"]:.2f}'
        for name, about in found['datasets'].items()
    )
    missing = [name for name, row in found['rows'].items() if not row['seeds']]
    waiting = [name for name in missing if f'- {name}, seed ' not in notes]
    found = {**found, 'rows': {k: v for k, v in found['rows'].items() if k not in missing}}
    parts = [
        f'# {plan.title}',
        f'`OMP_NUM_THREADS=1 {command}`' if threads() == '1' else f'`{command}`',
        f'{machine()}. {found["architectures"]:,} architectures of {plan.space} in '
        f'`{found["table"]}`: {truth}. Seeds {", ".join(map(str, plan.seeds))}; mean ± standard '
        'deviation of the population; `Fail`: no complete architecture, or none of the table.',
        _accuracies(plan, found, spent),
        _each(plan, found),
        *([f'Not run yet: {", ".join(waiting)}.'] if waiting else []),
    ]
    if plan.against:
        tests = "two-sided p of a t-test and of Wilcoxon's signed ranks"
        parts += [f'Paired by seed, on {plan.datasets[0]}; {tests}', _tests(plan, found)]
    if any('tau' in row['summary'] for row in found['rows'].values()):
        parts += [f'Rankings of {plan.cells} random architectures', _ranks(found)]
    if found.get('same_cells'):
        parts += [
            "Kendall's tau over the architectures that all of these have scored",
            _same_cells(plan, found['same_cells']),
        ]
    about = [f'- {name}: {row["note"]}' for name, row in found['rows'].items() if row['note']]
    parts += ['\n'.join(about)] if about else []
    failed = [
        f'- {name}, seed {seed}: {entry["failed"]}'
        for name, row in found['rows'].items()
        for seed, entry in row['seeds'].items()
        if 'failed' in entry
    ]
    return parts + (['Failed:\n\n' + '\n'.join(failed)] if failed else [])


def machine() -> str:
    """Return the machine and the versions, in words."""
    return (
        f'{platform.machine()}, {os.cpu_count()} cores, {threads()} thread(s) a search; ppnas_mm '
        f'{__version__}, torch {torch.__version__}'
    )


def _span(summary: Mapping[str, Any], key: str, digits: int = 2) -> str:
    entry = summary.get(key)
    return f'{entry["mean"]:.{digits}f} ± {entry["sd"]:.{digits}f}' if entry else '-'


def _table(heads: list[str], rows: list[list[str]]) -> str:
    rule = ['---', *['---:'] * (len(heads) - 1)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in [heads, rule, *rows])


def _accuracies(
    plan: Plan, found: Mapping[str, Any], spent: Mapping[str, Mapping[str, float]]
) -> str:
    heads = [
        'search',
        *plan.datasets,
        'rank, mean',
        'better, share',
        'regret',
        'core-seconds a seed',
    ]
    rows = []
    for name, row in found['rows'].items():
        good = [entry for entry in row['seeds'].values() if 'failed' not in entry]
        summary, times = row['summary'], list(spent[name].values())
        means = ['-', '-', '-']
        if good:
            mean = {k: sum(e[k] for e in good) / len(good) for k in ('rank', 'better', 'regret')}
            means = [f'{mean["rank"]:,.0f}', f'{mean["better"]:.4f}', f'{mean["regret"]:.2f}']
        failed = f' (Fail: {summary["failed"]})' if summary['failed'] else ''
        rows.append(
            [
                name + failed,
                *(_span(summary, dataset) for dataset in plan.datasets),
                *means,
                f'{sum(times) / len(times):,.0f}' if times else '-',
            ]
        )
    return _table(heads, rows)


def _each(plan: Plan, found: Mapping[str, Any]) -> str:
    main, rows = plan.datasets[0], []
    for name, row in found['rows'].items():
        cells = []
        for seed in map(str, plan.seeds):
            entry = row['seeds'].get(seed)
            failed = entry is not None and 'failed' in entry
            cells.append(
                '-' if entry is None else 'Fail' if failed else f'{entry["accuracy"][main]:.2f}'
            )
        rows.append([name, *cells])
    return _table([f'{main} of seed', *map(str, plan.seeds)], rows)


def _tests(plan: Plan, found: Mapping[str, Any]) -> str:
    columns = {'difference': 'minus', 'p': 'p (t),', 'p_signed_rank': 'p (rank),'}
    heads = ['search', *(f'{w} {other}' for other in plan.against for w in columns.values())]
    rows = []
    for name, row in found['rows'].items():
        cells = []
        for other in plan.against:
            test = row['tests'].get(other) or {}
            for key in columns:
                value, form = test.get(key), '+.2f' if key == 'difference' else '.3f'
                cells.append('-' if value is None else f'{value:{form}}')
        rows.append([name, *cells])
    return _table(heads, rows)


def _same_cells(plan: Plan, found: Mapping[str, Any]) -> str:
    rows = [['architectures', *(f'{entry["architectures"]:,}' for entry in found.values()), '', '']]
    first = [entry['tau'][plan.same_cells[0]] for entry in found.values()]
    for name in plan.same_cells:
        values = [entry['tau'][name] for entry in found.values()]
        known = [value for value in values if value is not None]
        mean = f'{sum(known) / len(known):.3f}' if known else '-'
        p = paired_p(values, first) if None not in values + first else math.nan
        cells = ('-' if value is None else f'{value:.3f}' for value in values)
        rows.append([name, *cells, mean, '-' if math.isnan(p) else f'{p:.3f}'])
    return _table(['seed', *found, 'mean', f'p (t), {plan.same_cells[0]}'], rows)


def _ranks(found: Mapping[str, Any]) -> str:
    keys = {
        'tau': "Kendall's tau",
        'tau_best_half': 'of the best half',
        'spearman': 'Spearman',
        'spearman_best_half': 'of the best half',
    }
    rows = [
        [name, *(_span(row['summary'], key, 3) for key in keys)]
        for name, row in found['rows'].items()
        if 'tau' in row['summary']
    ]
    return _table(['search', *keys.values()], rows)
