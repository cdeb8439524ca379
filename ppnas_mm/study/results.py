"""The results of a study: what was found, looked up in the table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.by_epoch import strongest_by_epoch
from ..analysis.statistics import deviation, kendall_tau, paired_p, signed_rank_p, spearman
from ..genotype import Genotype
from ..tables.table import BenchmarkTable
from ..utils.files import read_json
from .plan import Plan, Row, open_table
from .published import NOTHING, Published
from .run import DONE, is_done
from .searches import settings_of_rows


def results(plan: Plan, folder: Path, published: Published = NOTHING) -> dict[str, Any]:
    """Return the results of the searches done so far, as plain JSON.

    They follow from the searches' files and from what is published, so a study that was stopped
    and went on has the same.  Times are not among them (see :func:`costs`).

    Raises:
        ConfigError: If a search was run with other settings.
    """
    table, settings = open_table(plan), settings_of_rows(plan, folder)
    rows = {
        row.name: dict(
            settings=settings[row.name],
            **_row(
                plan,
                row,
                folder / row.name,
                table,
                settings[row.name],
                published.seeds.get(row.name, {}),
            ),
        )
        for row in plan.rows
    }
    main = plan.datasets[0]
    for row in rows.values():
        row['tests'] = {
            other: _test(row['seeds'], rows[other]['seeds'], main)
            for other in plan.against
            if row is not rows[other]
        }
    about = {
        dataset: dict(
            mean=round(float(table.accuracies(dataset).mean()), 4),
            optimum=round(table.optimum(dataset), 4),
        )
        for dataset in plan.datasets
    }
    return dict(
        title=plan.title,
        space=plan.space,
        table=Path(table.name).name,
        architectures=len(table),
        datasets=about,
        seeds=list(plan.seeds),
        ranked=plan.cells,
        rows=rows,
        **(
            {'same_cells': {**published.same_cells, **same_cells(plan, folder, table)}}
            if plan.same_cells
            else {}
        ),
    )


def same_cells(plan: Plan, folder: Path, table: BenchmarkTable) -> dict[str, Any]:
    """Return Kendall's tau of each row over the architectures that all have scored, by seed."""
    found = {}
    for seed in plan.seeds:
        paths = [folder / row / f'seed-{seed}' / 'ranking.json' for row in plan.same_cells]
        if not all(path.is_file() for path in paths):
            continue
        scores = [read_json(path)['scores'] for path in paths]
        shared = [c for c in scores[0] if all(one.get(c) is not None for one in scores)]
        taus = (
            correlations({c: one[c] for c in shared}, table, plan.datasets[0]).get('tau')
            for one in scores
        )
        found[str(seed)] = dict(
            architectures=len(shared), tau=dict(zip(plan.same_cells, taus, strict=True))
        )
    return found


def costs(plan: Plan, folder: Path, published: Published = NOTHING) -> dict[str, dict[str, float]]:
    """Return the core-seconds of each search that is done, by row and seed."""
    spent: dict[str, dict[str, float]] = {}
    for row in plan.rows:
        spent[row.name], known = {}, published.costs.get(row.name, {})
        for seed in map(str, plan.seeds):
            done = folder / row.name / f'seed-{seed}' / DONE
            if seed in known or done.is_file():
                kept = known.get(seed)
                spent[row.name][seed] = read_json(done)['core_seconds'] if kept is None else kept
    return spent


def _row(
    plan: Plan,
    row: Row,
    folder: Path,
    table: BenchmarkTable,
    settings: str,
    published: Mapping[str, Any],
) -> dict[str, Any]:
    seeds = {}
    for seed in map(str, plan.seeds):
        place = folder / f'seed-{seed}'
        if seed in published:  # stays, also if the search was run again for its weights
            seeds[seed] = published[seed]
        elif is_done(place, settings):
            seeds[seed] = _seed(plan, place, table)
    found = [entry for entry in seeds.values() if 'failed' not in entry]
    summary: dict[str, Any] = dict(done=len(seeds), failed=len(seeds) - len(found))
    for dataset in plan.datasets if found else ():
        values = [entry['accuracy'][dataset] for entry in found]
        summary[dataset] = dict(
            mean=round(float(np.mean(values)), 4), sd=round(deviation(values), 4)
        )
    for key in ('tau', 'tau_best_half', 'spearman', 'spearman_best_half'):
        values = [entry[key] for entry in found if entry.get(key) is not None]
        if values:
            summary[key] = dict(
                mean=round(float(np.mean(values)), 4), sd=round(deviation(values), 4)
            )
    return dict(config=row.config.name, note=row.note, seeds=seeds, summary=summary)


def _seed(plan: Plan, place: Path, table: BenchmarkTable) -> dict[str, Any]:
    failed = read_json(place / DONE)['failed']
    if failed:
        return dict(failed=failed)
    genotype = Genotype.load(place / 'search' / 'genotype.json')
    if genotype not in table:
        return dict(failed=f'the table lacks {table.encode(genotype)}')
    main = plan.datasets[0]
    entry: dict[str, Any] = dict(
        architecture=table.encode(genotype),
        accuracy={d: round(table.accuracy(genotype, d), 4) for d in plan.datasets},
        regret=round(table.regret(genotype, main), 4),
        rank=table.rank(genotype, main),
        better=round((table.rank(genotype, main) - 1) / len(table), 6),
    )
    curve = accuracy_by_epoch(read_json(place / 'search' / 'search.json'), table, main)
    if len(curve) > 1:
        entry['by_epoch'] = curve
    if (place / 'ranking.json').is_file():
        scores = read_json(place / 'ranking.json')['scores']
        entry.update(correlations(scores, table, main))
    return entry


def correlations(
    scores: Mapping[str, float | None], table: BenchmarkTable, dataset: str
) -> dict[str, Any]:
    """Return how scores of architectures agree with the table, over all and over the best half.

    Args:
        scores: By the architecture's string; ``None``: not scored.
        table, dataset: The truth.
    """
    known = {
        cell: value
        for cell, value in scores.items()
        if value is not None and table.decode(cell) in table
    }
    truth = [table.accuracy(table.decode(cell), dataset) for cell in known]
    values = list(known.values())
    middle = float(np.median(truth)) if truth else 0.0
    best = [i for i, value in enumerate(truth) if value >= middle]
    found: dict[str, Any] = dict(ranked=len(known))
    for name, function in (('tau', kendall_tau), ('spearman', spearman)):
        for end, kept in (('', range(len(truth))), ('_best_half', best)):
            if len(kept) > 1:
                value = function([values[i] for i in kept], [truth[i] for i in kept])
                found[name + end] = None if math.isnan(value) else round(value, 4)
    return found


def accuracy_by_epoch(
    record: Mapping[str, Any], table: BenchmarkTable, dataset: str
) -> list[tuple[int, float]]:
    """Return the table's accuracy of the strongest operations after each epoch (CDARTS, Fig. 3).

    A search that trains no alpha, such as SPOS, has none.

    Args:
        record: The content of ``search.json``, of a space whose cells choose operations only.
        table, dataset: The truth.
    """
    first: Mapping[str, Any] = next((e['architecture'] for e in record['epochs']), {})
    if all(max(weights) == min(weights) for weights in first.values()):
        return []
    return [
        (epoch, round(table.accuracy(genotype, dataset), 4))
        for epoch, genotype in strongest_by_epoch(record)
        if genotype in table
    ]


def _test(
    row: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]], dataset: str
) -> dict[str, Any]:
    """Return the mean difference to another row, paired by seed, and p-values of two tests."""
    both = [s for s in row if s in other and 'failed' not in row[s] and 'failed' not in other[s]]
    mine, theirs = ([entry[seed]['accuracy'][dataset] for seed in both] for entry in (row, other))
    found: dict[str, Any] = dict(seeds=len(both), difference=None, p=None, p_signed_rank=None)
    if both:
        found['difference'] = round(float(np.mean(np.subtract(mine, theirs))), 4)
    for key, test in (('p', paired_p), ('p_signed_rank', signed_rank_p)):
        p = test(mine, theirs)
        found[key] = None if math.isnan(p) else round(p, 6)
    return found
