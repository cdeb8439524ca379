"""How well super-nets rank architectures, before and after shrinking and expanding."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import ConfigError
from ..genotype import Genotype
from ..tables import NASBench201Table
from ..utils.files import read_json, write_atomic
from ..utils.progress import Progress
from ..utils.tables import table as format_table
from ..visualize.ranks import draw_rank_boxes, draw_tau_boxes
from .statistics import kendall_tau

VARIANTS = ('SPOS', '+ shrinking', '+ expanding')
SPARE = dict(population=1, generations=1, parents=1, crossover=0, mutation=0, enumerate_up_to=1)


def drops_of(record: Mapping[str, Any]) -> list[list[list[str]]]:
    """Return what each shrinking of a search dropped, in the form of ``SENAS(drops=...)``."""
    entries = [entry['shrinking'] for entry in record['epochs'] if 'shrinking' in entry]
    return [[[d['choice'], d['op']] for d in entry['dropped']] for entry in entries]


def build(config: str, folder: Path, seed: int, options: Mapping[str, Any]) -> Any:
    """Return the runner of a config, without logs and checkpoints."""
    from ..engine.run import load_run
    from ..engine.runner import Runner

    given = dict(config=config, work_dir=str(folder), seed=seed, launcher='none', local_rank=0)
    run = load_run(Namespace(cfg_options=dict(options), **given))
    run.default_hooks.checkpoint = dict(type='ppnas_mm.SafeCheckpointHook', interval=10**6)
    run.default_hooks.logger.interval = 10**6
    run.log_level = 'WARNING'
    return Runner.from_cfg(run)


def draw_cells(
    net: Any, number: int, seed: int, known: Any = None, constrained: bool = True
) -> list[Genotype]:
    """Return different random architectures left in a super-net, or all if there are fewer.

    Args:
        net: The super-net.
        number: Number of architectures.
        seed: Seed of the draws.
        known: NASBench201Table of true accuracies, from which cells are drawn; ``None``: any cells.
        constrained: Whether to exclude degenerate architectures.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Genotype] = {}
    for _ in range(100 * number):
        genotype = net.random_genotype(rng, constrained)
        if known is None or genotype in known:
            found[genotype.hash] = genotype
        if len(found) == number:
            break
    return list(found.values())


def random_drops(net: Any, counts: Sequence[int], seed: int) -> list[list[list[str]]]:
    """Return shrinkings that drop random operations, never the last of a choice."""
    rng = np.random.default_rng(seed)
    alive = {c.name: list(c.candidates) for c in net.choices.values() if not c.gates}
    stages: list[list[list[str]]] = []
    for count in counts:
        stages.append([])
        while len(stages[-1]) < count:
            open_to = [[name, op] for name, ops in alive.items() if len(ops) > 1 for op in ops]
            if not open_to:
                raise ConfigError(
                    f'--random-drops {counts}: expected at most {sum(map(len, stages))}'
                )
            name, op = open_to[int(rng.integers(len(open_to)))]
            alive[name].remove(op)
            stages[-1].append([name, op])
    return stages


def train_cells(
    config: str,
    search: str,
    out: Path,
    drops: Sequence[int] | str,
    folder: Path,
    cells: int = 30,
    seeds: int = 5,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Train random architectures of a shrunk space from scratch and save a table of them.

    Args:
        config: Config that trains one architecture.
        search: Config of the search with the super-net.
        out: The table to write, JSON.
        drops: Number of operations that each stage drops at random, or the record of a search
            (``search.json``) whose drops to repeat.
        folder: Work dir.
        cells, seeds: Number of architectures, and of trainings of each.
        seed: Of the draw.
        options: Overrides entries of ``config``.
    """
    net = build(search, folder / 'search', 0, {}).model.super_net
    stages = (
        drops_of(read_json(drops)) if isinstance(drops, str) else random_drops(net, drops, seed)
    )
    for name, op in (pair for stage in stages for pair in stage):
        net.prune(name, net.choices[name].candidates.index(op))
    table: dict[str, Any] = dict(config=Path(config).name, drops=stages, cells=[])
    drawn = draw_cells(net, cells, seed)
    bar = Progress(len(drawn), 'architectures')
    for cell in drawn:
        values = []
        for one in range(seeds):
            given = {**(options or {}), 'model.backbone.arch': cell.to_dict()}
            runner = build(config, folder / 'cell', one, given)
            runner.train()
            values.append(round(float(next(iter(runner.val_loop.run().values()))), 4))
        table['cells'].append(dict(genotype=cell.to_dict(), accuracies=values))
        write_atomic(out, (json.dumps(table, indent=1) + '\n').encode())
        bar.update()
        print(values, flush=True)
    print(out)


def search_options(variant: str, drops: Any, threshold: int | None) -> dict[str, Any]:
    """Return the config entries of a variant of SE-NAS; ``drops=None``: shrink by score."""
    return {
        'model.selection': SPARE,
        # snapshots are SE-NAS' (eq. 4)
        **({'model.snapshots': 1} if variant == 'SPOS' else {}),
        'model.drops': [[] for _ in drops] if variant == 'SPOS' else drops,
        'model.threshold': threshold if variant == '+ expanding' else None,
    }


def accuracies(runner: Any, cells: Sequence[Genotype]) -> list[float]:
    """Return the accuracy of each architecture by a trained super-net, as in selection."""
    algorithm = runner.model
    loaders, count = algorithm.loaders, algorithm.recalibrate_batches
    training = [batch for batch, _ in zip(loaders['train'], range(count), strict=False)]
    with algorithm.evaluation() as batches:
        return [
            algorithm.recalibrated_accuracy(algorithm.super_net.to_path(cell), batches, training)
            for cell in cells
        ]


def ranked(runner: Any, cells: Sequence[Genotype], truth: Truth) -> tuple[list[float], float]:
    """Return :func:`accuracies` of architectures, and Kendall's tau to the truth."""
    found = accuracies(runner, cells)
    return found, kendall_tau(found, truth(cells))


def study(
    config: str,
    truth: Truth,
    folder: Path,
    cells: int = 30,
    seeds: int = 5,
    seed: int = 0,
    threshold: int = 50,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Train the super-nets of all variants and seeds; write their taus and pictures.

    Args:
        config: Config of a SENAS search.
        truth: Accuracies of the trained architectures.
        folder: Work dir; gets ``ranking.json``, ``tau.svg`` and ``ranks.svg``.
        cells, seeds: Number of architectures, and of super-nets of each variant.
        seed: Of the draw of architectures.
        threshold: Of the expansion.
        options: Overrides entries of the config.

    Returns:
        The table of taus.
    """
    keys = ('tau', 'whole', 'accuracies')
    result: dict[str, Any] = {variant: {key: [] for key in keys} for variant in VARIANTS}
    bar = Progress(len(VARIANTS) * seeds, 'searches')
    for one in range(seeds):
        for variant in reversed(VARIANTS):
            given = dict(options or {}) | search_options(variant, truth.drops, threshold)
            runner = build(config, folder / 'run', one, given)
            runner.train()
            net = runner.model.super_net
            if truth.drops is None:  # the first super-net shrinks by scores, the others repeat it
                truth.drops = drops_of(read_json(folder / 'run/search.json'))
                truth.cells = draw_cells(net, cells, seed, truth.table)
            row = result[variant]
            found, tau = ranked(runner, truth.cells, truth)
            row['tau'].append(round(tau, 4))
            row['accuracies'].append([round(v, 4) for v in found])
            if truth.table is not None:
                whole = draw_cells(net, cells, seed, constrained=False)
                row['whole'].append(round(ranked(runner, whole, truth)[1], 4))
            bar.update()
            words = f'tau {tau:.3f} over {len(truth.cells)} architectures'
            print(f'seed {one}, {variant}: {words}', flush=True)
        write_atomic(folder / 'ranking.json', (json.dumps(result, indent=1) + '\n').encode())
    _draw(result, truth, folder, f'{Path(config).stem}, {seeds} seeds')
    return report(result)


def _draw(result: Mapping[str, Any], truth: Truth, folder: Path, title: str) -> None:
    draw_tau_boxes({v: row['tau'] for v, row in result.items()}, folder / 'tau.svg', title)
    ranks = {variant: row['accuracies'] for variant, row in result.items()}
    draw_rank_boxes(truth(truth.cells), ranks, folder / 'ranks.svg', title)


def report(result: Mapping[str, Any]) -> str:
    """Return the table of taus: over the shrunk space, and over the whole space of a super-net."""
    lines = [
        '| super-net | ranked | tau, mean | standard deviation | of each seed |',
        '| --- | --- | ---: | ---: | --- |',
    ]
    for variant, row in result.items():
        for key, words in (('tau', 'what is left'), ('whole', 'its whole space')):
            if not row[key]:
                continue
            spread = np.std(row[key], ddof=1) if len(row[key]) > 1 else 0.0
            each = ' '.join(f'{tau:.3f}' for tau in row[key])
            lines.append(
                f'| {variant} | {words} | {np.mean(row[key]):.3f} | {spread:.3f} | {each} |'
            )
    return '\n'.join(lines)


def scored_models(configs: Sequence[str], seed: int, options: Mapping[str, Any]) -> str:
    """Return a table of the models for the first scoring of operations, for each config.

    Args:
        configs: Configs of SENAS searches.
        seed: Of the draw.
        options: Overrides entries of the configs.
    """
    from ..algorithms.one_shot.scored_models import Drawn
    from ..config.load import load_config
    from ..config.model import build_model

    rows = []
    for path in configs:
        search: Any = build_model(load_config(path, options))
        alive = search.paths.alive()
        paths = search.scored_paths(alive, np.random.default_rng(seed))
        drawn = Drawn.of(
            [{n: kept[0] for n, kept in p.items() if n in alive} for p in paths],
            alive,
            search.identities(),
        )
        blocks = f'{drawn.blocks:.2f} of {drawn.skippable}' if drawn.skippable else '-'
        found = [drawn.models, blocks, drawn.least, f'{drawn.median:g}', len(drawn.unscored)]
        rows.append([Path(path).stem, *found])
    heads = ['config', 'models', 'blocks, mean', 'models an operation, least', 'median', 'in none']
    return format_table(heads, rows)


class Truth:
    """True accuracies, from a table of :func:`train_cells` or from NAS-Bench-201.

    Args:
        trained: File of the table of trained architectures.
        table: File or folder of the NAS-Bench-201 table.
        dataset: Data set of the NAS-Bench-201 table.

    Attributes:
        drops: The shrinkings that lead to the space of the cells; ``None``: not yet known.
        cells: The architectures, the same for all seeds.

    Raises:
        ConfigError: If ``trained`` is not such a table.
        TableError: If the NAS-Bench-201 table cannot be read.
    """

    def __init__(
        self, trained: str | None = None, table: str | None = None, dataset: str = 'cifar10'
    ) -> None:
        self.dataset, self.table = dataset, NASBench201Table.load(table) if table else None
        self.cells: list[Genotype] = []
        self.drops: Any = None
        if trained is None:
            return
        try:
            content = json.loads(Path(trained).read_text())
            self.drops = content['drops']
            self.cells = [Genotype.load(cell['genotype']) for cell in content['cells']]
            self.known = {
                genotype.hash: float(np.mean(cell['accuracies']))
                for genotype, cell in zip(self.cells, content['cells'], strict=True)
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f'{trained}: not a table of trained cells: {error!r}') from None

    def __call__(self, cells: Sequence[Genotype]) -> list[float]:
        """Return the true accuracy of each architecture."""
        if self.table is not None:
            return [self.table.accuracy(cell, self.dataset) for cell in cells]
        return [self.known[cell.hash] for cell in cells]
