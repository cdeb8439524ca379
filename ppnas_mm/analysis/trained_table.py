"""A table of architectures trained from scratch: a small benchmark for a space that has none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import ConfigError
from ..config.load import load_config
from ..config.model import build_model
from ..engine.checkpoint import latest_checkpoint
from ..genotype import Genotype
from ..utils.files import read_json, write_atomic
from ..utils.progress import Progress
from ..visualize.ranks import draw_tau_boxes
from .by_epoch import settled_by_epoch
from .ranking import build
from .statistics import deviation, kendall_tau, welch_p
from .super_net_scores import Scorer, load_search


def candidates(
    search: str, constrained: int, free: int, named: Sequence[str], seed: int = 0
) -> dict[str, Genotype]:
    """Return the architectures of a table by name: random ones of a space, and given ones.

    Args:
        search: Config of a search; its super-net is the space.
        constrained: Number of random architectures as :meth:`SuperNet.random_path` draws them,
            none degenerate.
        free: Number of fully random ones: operations drawn freely, inputs may be dropped.
        named: Published names or files.
        seed: Of the draws.

    Raises:
        ConfigError: If a name is given twice, or an architecture is of another space.
        GenotypeError: If a name or file is wrong.
    """
    net = build_model(load_config(search, {})).super_net
    rng = np.random.default_rng(seed)
    found = {f'constrained-{i}': net.random_genotype(rng) for i in range(constrained)}
    found |= {f'free-{i}': net.random_genotype(rng, False, True) for i in range(free)}
    for source in named:
        name, genotype = Path(source).stem, Genotype.load(source)
        if name == 'genotype':  # of a search: its work dir names it
            name = Path(source).resolve().parent.name
        if name in found or genotype.space != net.space:
            raise ConfigError(
                f'{source}: expected another name than {name!r}'
                if name in found
                else f'{source}: a genotype of {genotype.space!r}, the space is {net.space!r}'
            )
        found[name] = genotype
    return found


def train_table(
    config: str,
    entries: Mapping[str, Genotype],
    seeds: int,
    out: Path,
    folder: Path,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train every architecture with every seed; go on with a table that was stopped.

    Each seed of all architectures comes before the next, and the table is written after each
    training.

    Args:
        config: Config that trains one architecture.
        entries: The architectures by name, besides those that the table has already.
        seeds: Number of trainings of each.
        out: The table, JSON.
        folder: Work dir.
        options: Overrides entries of the config.

    Raises:
        ConfigError: If the table in ``out`` is of another config, or has another architecture of
            the same name.
    """
    about = dict(config=Path(config).name, options=dict(options or {}))
    rows = {name: _row(genotype) for name, genotype in entries.items()}
    folder.mkdir(parents=True, exist_ok=True)
    if out.is_file():
        rows = _merge(out, about, rows)
    table: dict[str, Any] = dict(about, rows=rows)
    left = [
        (name, seed)
        for seed in range(seeds)
        for name in rows
        if len(rows[name]['accuracies']) <= seed
    ]
    bar = Progress(len(left), 'trainings') if left else None
    for name, seed in left:
        accuracy = _train(config, rows[name], folder, seed, options or {})
        table['groups'] = groups(rows)
        write_atomic(out, (json.dumps(table, indent=1) + '\n').encode())
        if bar is not None:
            bar.update()
        print(f'{name}, seed {seed}: {accuracy:.2f}', flush=True)
    return table


def _row(genotype: Genotype) -> dict[str, Any]:
    return dict(genotype=genotype.to_dict(), accuracies=[])


def _train(
    config: str, row: dict[str, Any], folder: Path, seed: int, options: Mapping[str, Any]
) -> float:
    """Train an architecture, note it in its row, and return the accuracy."""
    Genotype.load(row['genotype']).save(folder / 'genotype.json')
    arch = {'model.backbone.arch': str(folder / 'genotype.json')}
    runner = build(config, folder / 'training', seed, {**options, **arch})
    runner.train()
    accuracy = float(next(iter(runner.val_loop.run().values())))
    row['accuracies'].append(round(accuracy, 4))
    row['parameters'] = sum(p.numel() for p in runner.model.parameters())
    return accuracy


def _merge(
    out: Path, about: Mapping[str, Any], rows: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the rows of a table that was begun, then the new ones."""
    before = read_json(out)
    for key, value in about.items():
        if before.get(key) != json.loads(json.dumps(value)):
            raise ConfigError(f'{out}: its {key} is {before.get(key)!r}, not {value!r}')
    for name, row in before['rows'].items():
        same = Genotype.load(row['genotype']).hash
        if name in rows and Genotype.load(rows[name]['genotype']).hash != same:
            raise ConfigError(f'{out}: has another architecture {name!r}; use another --out')
    return {**before['rows'], **{n: r for n, r in rows.items() if n not in before['rows']}}


def agreement(table: Mapping[str, Any]) -> float:
    """Return Kendall's tau between the first two seeds of a table; NaN with one seed."""
    pairs = [row['accuracies'][:2] for row in table['rows'].values() if len(row['accuracies']) > 1]
    return kendall_tau(*zip(*pairs, strict=True)) if len(pairs) > 1 else float('nan')


def means(rows: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    """Return the mean accuracy of each trained architecture over the seeds that all of them have.

    A seed shifts all architectures alike, so means over different seeds do not compare.
    """
    trained = {name: row['accuracies'] for name, row in rows.items() if row['accuracies']}
    shared = min(map(len, trained.values()), default=0)
    return {name: round(float(np.mean(v[:shared])), 4) for name, v in trained.items()}


def report(table: Mapping[str, Any]) -> str:
    """Return the table as text: its groups, and each architecture, the best first."""
    found = means(table['rows'])
    lines = ['| architecture | mean | each seed | parameters |', '| --- | ---: | --- | ---: |']
    for name, mean in sorted(found.items(), key=lambda item: -item[1]):
        row = table['rows'][name]
        each = ' '.join(f'{value:.2f}' for value in row['accuracies'])
        lines.append(f'| {name} | {mean:.2f} | {each} | {row["parameters"]:,} |')
    tau = f"Kendall's tau between two seeds: {agreement(table):.3f}"
    return '\n'.join([*_compared(groups(table['rows'])), *lines, '', tau])


def groups(rows: Mapping[str, dict[str, Any]]) -> dict[str, list[float]]:
    """Return the mean accuracies of trained architectures by group: ``NAME-0``, ``NAME-1``, ..."""
    found: dict[str, list[float]] = {}
    for name, mean in means(rows).items():
        group, _, number = name.rpartition('-')
        found.setdefault(group if number.isdigit() else name, []).append(mean)
    return found


def draw_groups(table: Mapping[str, Any], path: Path) -> None:
    """Draw the accuracies of each group; architectures with a name of their own are one group."""
    drawn: dict[str, list[float]] = {}
    for group, values in groups(table['rows']).items():
        drawn.setdefault(group if len(values) > 1 else 'named', []).extend(values)
    title = f'trained from scratch: {table["config"]}'
    draw_tau_boxes(drawn, path, title, 'accuracy, per cent')


def _compared(found: Mapping[str, list[float]]) -> list[str]:
    """Return a table of the groups, each compared with constrained random architectures.

    The test is Welch's t-test of two samples, two-sided (Table II of PP-NAS has no test).
    """
    everyone = [value for values in found.values() for value in values]
    other = found.get('constrained', [])
    lines = [
        '| group | number | mean | best | rank, mean | minus constrained | p |',
        '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ]
    for group, values in sorted(found.items(), key=lambda item: -float(np.mean(item[1]))):
        if len(values) < 2:
            continue
        rank = np.mean([1 + sum(one > value for one in everyone) for value in values])
        gain, p = '-', '-'
        if group != 'constrained' and len(other) > 1:
            gain = f'{np.mean(values) - np.mean(other):+.2f}'
            p = f'{welch_p(values, other):.3f}'
        lines.append(
            f'| {group} | {len(values)} | {np.mean(values):.2f} ± {deviation(values):.2f} | '
            f'{max(values):.2f} | {rank:.1f} of {len(everyone)} | {gain} | {p} |'
        )
    return [*lines, ''] if len(lines) > 2 else []


def searches(table: Path, config: str, folders: Sequence[Path], options: Mapping[str, Any]) -> str:
    """Return what a table of trained architectures says of finished searches, as text.

    A line has the accuracy of what was found, before and after it was trained (if the table has
    it), how well the super-net's weights rank the table, and how many connections are on their
    final side after each of the first epochs.

    Args:
        table: JSON of :func:`train_table`.
        config: Config of the searches.
        folders: Their work dirs.
        options: Entries of the config that they overrode.

    Raises:
        ConfigError: If a work dir has no finished search.
    """
    rows = read_json(table)['rows']
    truth = means(rows)
    known = {name: Genotype.load(rows[name]['genotype']) for name in truth}
    by_hash = {genotype.hash: truth[name] for name, genotype in known.items()}
    lines = [
        f'| search | derived, not trained | trained | tau of the super-net ({len(truth)}) | '
        'settled after epoch 1, 2, ... |',
        '| --- | ---: | ---: | ---: | --- |',
    ]
    bar = Progress(len(folders), 'searches')
    for folder in folders:
        place = folder / 'search.json'
        record = read_json(place) if place.is_file() else {}
        if 'result' not in record or latest_checkpoint(folder) is None:
            raise ConfigError(f'{folder}: expected the work dir of a finished search')
        metrics = record['result'].get('derived', {}).get('metrics')
        derived, found = 'Fail', None  # no complete architecture
        if metrics:
            derived = f'{next(iter(metrics.values())):.2f}'
            found = by_hash.get(Genotype.load(folder / 'genotype.json').hash)
        algorithm, loaders = load_search(config, folder, record['seed'], options)
        score = Scorer(algorithm, loaders)
        scores = [score(algorithm, genotype) for genotype in known.values()]
        tau = kendall_tau(scores, list(truth.values()))
        settled = settled_by_epoch(record)
        lines.append(
            f'| {folder.name} | {derived} | {"-" if found is None else f"{found:.2f}"} | '
            f'{tau:.3f} | {" ".join(map(str, settled))} |'
        )
        bar.update()
    return '\n'.join(lines)
