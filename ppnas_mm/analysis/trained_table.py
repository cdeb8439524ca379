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
from ..genotype import Genotype
from ..utils.files import read_json, write_atomic
from ..utils.progress import Progress
from .ranking import build
from .statistics import kendall_tau


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
        entries: The architectures by name.
        seeds: Number of trainings of each.
        out: The table, JSON.
        folder: Work dir.
        options: Overrides entries of the config.

    Raises:
        ConfigError: If the table in ``out`` is of another config or has other architectures.
    """
    about = dict(config=Path(config).name, options=dict(options or {}))
    rows: dict[str, dict[str, Any]] = {
        name: dict(genotype=genotype.to_dict(), accuracies=[]) for name, genotype in entries.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = dict(about, rows=rows)
    if out.is_file():
        before = read_json(out)
        for key, value in about.items():
            if before.get(key) != json.loads(json.dumps(value)):
                raise ConfigError(f'{out}: its {key} is {before.get(key)!r}, not {value!r}')
        for name, row in before['rows'].items():
            if name not in entries or Genotype.load(row['genotype']).hash != entries[name].hash:
                raise ConfigError(f'{out}: has another architecture {name!r}; use another --out')
            rows[name] |= {**row, 'accuracies': row['accuracies'][:seeds]}
    left = [
        (name, seed)
        for seed in range(seeds)
        for name in rows
        if len(rows[name]['accuracies']) <= seed
    ]
    bar = Progress(len(left), 'trainings') if left else None
    for name, seed in left:
        entries[name].save(folder / 'genotype.json')
        arch = {'model.backbone.arch': str(folder / 'genotype.json')}
        runner = build(config, folder / 'training', seed, {**(options or {}), **arch})
        runner.train()
        accuracy = float(next(iter(runner.val_loop.run().values())))
        rows[name]['accuracies'].append(round(accuracy, 4))
        rows[name]['parameters'] = sum(p.numel() for p in runner.model.parameters())
        write_atomic(out, (json.dumps(table, indent=1) + '\n').encode())
        if bar is not None:
            bar.update()
        print(f'{name}, seed {seed}: {accuracy:.2f}', flush=True)
    return table


def agreement(table: Mapping[str, Any]) -> float:
    """Return Kendall's tau between the first two seeds of a table; NaN with one seed."""
    pairs = [row['accuracies'][:2] for row in table['rows'].values() if len(row['accuracies']) > 1]
    return kendall_tau(*zip(*pairs, strict=True)) if len(pairs) > 1 else float('nan')


def report(table: Mapping[str, Any]) -> str:
    """Return the table as text, the best architecture first."""
    rows = sorted(table['rows'].items(), key=lambda row: -float(np.mean(row[1]['accuracies'])))
    lines = ['| architecture | mean | each seed | parameters |', '| --- | ---: | --- | ---: |']
    for name, row in rows:
        each = ' '.join(f'{value:.2f}' for value in row['accuracies'])
        mean = float(np.mean(row['accuracies']))
        lines.append(f'| {name} | {mean:.2f} | {each} | {row["parameters"]:,} |')
    return '\n'.join([*lines, '', f"Kendall's tau between two seeds: {agreement(table):.3f}"])
