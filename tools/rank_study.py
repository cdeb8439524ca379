"""How well super-nets rank architectures, before and after shrinking and expanding; see --help."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppnas_mm import cli
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.genotype import Genotype
from ppnas_mm.utils.files import read_json, write_atomic

VARIANTS = ('SPOS', '+ shrinking', '+ expanding')
SPARE = dict(population=1, generations=1, parents=1, crossover=0, mutation=0, enumerate_up_to=1)


def drops_of(record: Mapping[str, Any]) -> list[list[list[str]]]:
    """Return what each shrinking of a search dropped, as ``SENAS(drops=...)`` takes it."""
    entries = [entry['shrinking'] for entry in record['epochs'] if 'shrinking' in entry]
    return [[[d['choice'], d['op']] for d in entry['dropped']] for entry in entries]


def build(config: str, folder: Path, seed: int, options: Mapping[str, Any]) -> Any:
    """Return the runner of a config, quiet and without checkpoints."""
    from mmengine.runner import Runner

    from ppnas_mm.engine.run import load_run

    given = dict(config=config, work_dir=str(folder), seed=seed, launcher='none', local_rank=0)
    run = load_run(Namespace(cfg_options=dict(options), **given))
    run.default_hooks.checkpoint = dict(type='ppnas_mm.SafeCheckpointHook', interval=10**6)
    run.default_hooks.logger.interval = 10**6
    run.log_level = 'WARNING'
    return Runner.from_cfg(run)


def draw_cells(
    net: Any, number: int, seed: int, known: Any = None, constrained: bool = True
) -> list[Genotype]:
    """Return different random architectures of what a super-net has left, or all if fewer.

    Args:
        net: The super-net.
        number: How many.
        seed: Seed of the draws.
        known: The table of true accuracies; only its cells are drawn.  ``None``: any.
        constrained: Whether to leave degenerate architectures out.
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
    """Return shrinkings that drop operations at random, never the last of a choice."""
    rng = np.random.default_rng(seed)
    alive = {c.name: list(c.candidates) for c in net.choices.values() if not c.gates}
    stages: list[list[list[str]]] = []
    for count in counts:
        stages.append([])
        while len(stages[-1]) < count:
            open_to = [[name, op] for name, ops in alive.items() if len(ops) > 1 for op in ops]
            if not open_to:
                raise ConfigError(f'--random-drops {counts}: no more than {sum(map(len, stages))}')
            name, op = open_to[int(rng.integers(len(open_to)))]
            alive[name].remove(op)
            stages[-1].append([name, op])
    return stages


def train_cells(args: Namespace) -> None:
    """Train random architectures of a shrunk space from scratch and keep a table of them."""
    folder, out = Path(args.work_dir), Path(args.out)
    search = build(args.search, folder / 'search', 0, {})
    net = search.model.super_net
    drops = (
        random_drops(net, args.random_drops, args.seed)
        if args.random_drops
        else drops_of(read_json(args.record))
    )
    for name, op in (pair for stage in drops for pair in stage):
        net.prune(name, net.choices[name].candidates.index(op))
    cells = draw_cells(net, args.cells, args.seed)
    table: dict[str, Any] = dict(config=Path(args.config).name, drops=drops, cells=[])
    start = time.monotonic()
    for done, cell in enumerate(cells, 1):
        values = []
        for seed in range(args.seeds):
            options = {**args.cfg_options, 'model.backbone.arch': cell.to_dict()}
            runner = build(args.config, folder / 'cell', seed, options)
            runner.train()
            values.append(round(float(next(iter(runner.val_loop.run().values()))), 4))
        table['cells'].append(dict(genotype=cell.to_dict(), accuracies=values))
        write_atomic(out, (json.dumps(table, indent=1) + '\n').encode())
        left = (time.monotonic() - start) / done * (len(cells) - done)
        print(f'[{done}/{len(cells)}] {values}, {left:.0f} s left', flush=True)
    print(out)


def search_options(variant: str, drops: Any, threshold: int | None) -> dict[str, Any]:
    """Return the config entries of a variant of SE-NAS; ``drops=None``: it shrinks by score."""
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


def study(args: Namespace) -> None:
    """Train the super-nets of all variants and seeds; write their taus and pictures."""
    from ppnas_mm.analysis.nasbench201 import kendall_tau
    from ppnas_mm.visualize.ranks import draw_rank_boxes, draw_tau_boxes

    folder = Path(args.work_dir)
    truth = Truth(args)
    keys = ('tau', 'whole', 'accuracies')
    result: dict[str, Any] = {variant: {key: [] for key in keys} for variant in VARIANTS}
    start, runs = time.monotonic(), 0
    for seed in range(args.seeds):
        for variant in reversed(VARIANTS):
            options = args.cfg_options | search_options(variant, truth.drops, args.threshold)
            runner = build(args.config, folder / 'run', seed, options)
            runner.train()
            net = runner.model.super_net
            if truth.drops is None:  # the first one shrinks by scores, all others repeat it
                truth.drops = drops_of(read_json(folder / 'run/search.json'))
                truth.cells = draw_cells(net, args.cells, args.seed, truth.table)
            cells = truth.cells
            found = accuracies(runner, cells)
            tau = kendall_tau(found, truth(cells))
            result[variant]['tau'].append(round(tau, 4))
            result[variant]['accuracies'].append([round(v, 4) for v in found])
            if truth.table is not None:
                whole = draw_cells(net, args.cells, args.seed, constrained=False)
                value = kendall_tau(accuracies(runner, whole), truth(whole))
                result[variant]['whole'].append(round(value, 4))
            runs += 1
            left = (time.monotonic() - start) / runs * (len(VARIANTS) * args.seeds - runs)
            print(
                f'seed {seed}, {variant}: tau {tau:.3f} over {len(cells)} architectures, '
                f'{left:.0f} s left',
                flush=True,
            )
        write_atomic(folder / 'ranking.json', (json.dumps(result, indent=1) + '\n').encode())
    print(report(result))
    title = f'{Path(args.config).stem}, {args.seeds} seeds'
    draw_tau_boxes({v: row['tau'] for v, row in result.items()}, folder / 'tau.svg', title)
    ranks = {variant: row['accuracies'] for variant, row in result.items()}
    draw_rank_boxes(truth(truth.cells), ranks, folder / 'ranks.svg', title)


def report(result: Mapping[str, Any]) -> str:
    """Return the table of taus: over what shrinking left, and over all that a super-net has."""
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


def models(args: Namespace) -> None:
    """Print what the operations of each config's super-net would be scored on at first."""
    from mmengine.registry import MODELS, DefaultScope

    from ppnas_mm.algorithms.one_shot.scored_models import Drawn
    from ppnas_mm.config.load import load_config
    from ppnas_mm.utils.tables import table

    rows = []
    for path in args.configs:
        config = load_config(path, args.cfg_options)
        with DefaultScope.overwrite_default_scope(config.get('default_scope')):
            search = MODELS.build(config.model)
        alive = search.paths.alive()
        paths = search.scored_paths(alive, np.random.default_rng(args.seed))
        drawn = Drawn.of(
            [{n: kept[0] for n, kept in p.items() if n in alive} for p in paths],
            alive,
            search.identities(),
        )
        blocks = f'{drawn.blocks:.2f} of {drawn.skippable}' if drawn.skippable else '-'
        found = [drawn.models, blocks, drawn.least, f'{drawn.median:g}', len(drawn.unscored)]
        rows.append([Path(path).stem, *found])
    heads = ['config', 'models', 'blocks, mean', 'models an operation, least', 'median', 'in none']
    print(table(heads, rows))


class Truth:
    """True accuracies: of a table of this tool, or of NAS-Bench-201.

    Attributes:
        drops: The shrinkings that lead to the space of the cells; ``None``: not known yet.
        cells: The architectures, the same for all seeds.
    """

    def __init__(self, args: Namespace) -> None:
        self.dataset, self.table = args.dataset, None
        self.cells: list[Genotype] = []
        self.drops: Any = None
        if args.table:
            from ppnas_mm.analysis.nasbench201 import Table

            self.table = Table.load(args.table)
            return
        try:
            content = json.loads(Path(args.truth).read_text())
            self.drops = content['drops']
            self.cells = [Genotype.load(cell['genotype']) for cell in content['cells']]
            self.known = {
                genotype.hash: float(np.mean(cell['accuracies']))
                for genotype, cell in zip(self.cells, content['cells'], strict=True)
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f'{args.truth}: not a table of trained cells: {error!r}') from None

    def __call__(self, cells: Sequence[Genotype]) -> list[float]:
        """Return the true accuracy of each architecture."""
        if self.table is not None:
            return [self.table.accuracy(cell, self.dataset) for cell in cells]
        return [self.known[cell.hash] for cell in cells]


def parser() -> ArgumentParser:
    """Return the parser of the commands."""
    from mmengine.config import DictAction

    top = cli.new_parser(
        "Kendall's tau of super-nets: SPOS, the same with a shrunk space, and expanded as well.",
        'python tools/rank_study.py cells configs/classification/nasbench201_digits.py \\\n'
        '    --search configs/search/senas_nasbench201-digits.py --record search.json \\\n'
        '    --out docs/tables/digits_cells.json\n'
        '  python tools/rank_study.py study configs/search/senas_nasbench201-digits.py \\\n'
        '    --truth docs/tables/digits_cells.json --seeds 5\n'
        '  python tools/rank_study.py models configs/search/senas_imagenet_*m.py',
    )
    commands = top.add_subparsers(dest='command', required=True)
    cells = commands.add_parser('cells', help='train architectures from scratch, as the truth')
    cells.add_argument('config', help='config that trains one architecture')
    cells.add_argument('--search', required=True, help='config of the search with the super-net')
    space = cells.add_mutually_exclusive_group(required=True)
    space.add_argument('--record', help='search.json with the shrunk space to draw from')
    space.add_argument(
        '--random-drops',
        type=int,
        nargs='+',
        metavar='N',
        help='drop this many operations at random in each stage',
    )
    cells.add_argument('--seed', type=int, default=0, help='random seed')
    cells.add_argument('--out', required=True, help='table to write (JSON)')
    ranks = commands.add_parser('study', help='train super-nets and compare their rankings')
    ranks.add_argument('config', help='config of a SENAS search')
    source = ranks.add_mutually_exclusive_group(required=True)
    source.add_argument('--truth', help='table written by the command cells')
    source.add_argument('--table', help='NAS-Bench-201 table, or its folder')
    ranks.add_argument('--dataset', default='cifar10', help='data set of the NAS-Bench-201 table')
    ranks.add_argument('--threshold', type=int, default=50, help='threshold T of the expansion')
    drawn = commands.add_parser(
        'models', help='count the models that operations would be scored on'
    )
    drawn.add_argument('configs', nargs='+', help='configs of SENAS searches')
    drawn.add_argument('--seed', type=int, default=0, help='seed of the draw')
    ranks.add_argument('--seed', type=int, default=0, help='seed of the draw of architectures')
    for command in (cells, ranks):
        command.add_argument('--cells', type=int, default=30, help='number of architectures')
        command.add_argument('--seeds', type=int, default=5, help='number of seeds')
        command.add_argument(
            '--work-dir', default='work_dirs/ranking', help='folder of the results'
        )
    for command in (cells, ranks, drawn):
        command.add_argument(
            '--cfg-options',
            nargs='+',
            action=DictAction,
            default={},
            metavar='KEY=VALUE',
            help='override entries of the config, e.g. train_cfg.max_epochs=2',
        )
    return top


def main() -> None:
    """Parse the arguments and run one of the commands."""
    args = parser().parse_args()
    if args.command == 'models':
        models(args)
        return
    if args.cells < 2 or args.seeds < 1:
        raise ConfigError(
            f'--cells {args.cells} --seeds {args.seeds}: expected 2 or more, 1 or more'
        )
    Path(args.work_dir).mkdir(parents=True, exist_ok=True)
    (train_cells if args.command == 'cells' else study)(args)


if __name__ == '__main__':
    cli.run_tool(main)
