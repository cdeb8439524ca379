"""What a published page of a study knows, so that its searches need not run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from ..utils.files import read_json
from .plan import Plan, open_table


@dataclass(frozen=True)
class Published:
    """Results of searches that were run elsewhere, or whose work dir is gone.

    Args:
        seeds: By row and seed, an entry of ``results.json``.
        costs: By row and seed, the core-seconds.
        same_cells: Entry of ``results.json``.
    """

    seeds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    same_cells: Mapping[str, Any] = field(default_factory=dict)

    def has(self, row: str, seed: int) -> bool:
        """Return whether a search is among them."""
        return str(seed) in self.seeds.get(row, {})


NOTHING = Published()


def load_published(plan: Plan, folder: Path, settings: Mapping[str, str]) -> Published:
    """Read the searches of a published page that were run with the settings of the study.

    Args:
        plan: The study.
        folder: Where ``--publish`` wrote; nothing is known if it has no results.
        settings: Checksum of each row's settings.

    Raises:
        ConfigError: If the folder has the results of another space, table or data sets.
    """
    if not (folder / 'results.json').is_file():
        return NOTHING
    found, spent = read_json(folder / 'results.json'), read_json(folder / 'costs.json')
    table = Path(open_table(plan).name).name  # the plan may name a folder
    here = dict(space=plan.space, table=table, datasets=list(plan.datasets))
    there = {key: found.get(key) for key in here} | dict(datasets=list(found['datasets']))
    for key, value in here.items():
        if there[key] != value:
            raise ConfigError(f'{folder}: its {key} is {there[key]!r}, that of the study {value!r}')
    same = {n for n in plan.names if found['rows'].get(n, {}).get('settings') == settings[n]}
    wanted = set(map(str, plan.seeds))
    rows = {name: found['rows'][name]['seeds'] for name in same}
    whole = set(plan.same_cells) <= same and found['ranked'] == plan.cells
    ranked = {
        seed: entry
        for seed, entry in found.get('same_cells', {}).items()
        if whole and seed in wanted and set(entry['tau']) == set(plan.same_cells)
    }
    return Published(
        {name: {s: e for s, e in seeds.items() if s in wanted} for name, seeds in rows.items()},
        {name: {s: t for s, t in spent[name].items() if s in wanted} for name in same},
        ranked,
    )


def is_other(plan: Plan, found: Mapping[str, Any]) -> bool:
    """Return whether results are of another study: of another space, or with no row of this one."""
    rows = set(found['rows'])
    same = bool(rows & set(plan.names)) or found['title'] == plan.title
    return found['space'] != plan.space or not same


def check_kept(folder: Path, found: Mapping[str, Any]) -> None:
    """Check that a published page keeps all its searches if it is written anew.

    Raises:
        ConfigError: If it would lose some.
    """
    if not (folder / 'results.json').is_file():
        return
    lost = [
        f'{name}, seed {seed}'
        for name, row in read_json(folder / 'results.json')['rows'].items()
        for seed in row['seeds']
        if seed not in found['rows'].get(name, {}).get('seeds', {})
    ]
    if lost:
        raise ConfigError(
            f'{folder} has results that this page lacks ({"; ".join(lost)[:300]}): rows or seeds '
            'that the study has no more, or other settings. Nothing was published; keep that '
            'folder, and publish into another'
        )
