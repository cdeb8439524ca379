"""Compare networks over several seeds; see --help."""

import contextlib
import fnmatch
from pathlib import Path

import numpy as np

from ppnas_mm import cli
from ppnas_mm.utils.files import read_json
from ppnas_mm.utils.jobs import Jobs, NothingFoundError

TOOLS = Path(__file__).parent
CLASSIFICATION = 'configs/classification'
Results = dict[str, list[dict | None]]
"""What each seed of each network came to; ``None``: its search found no whole architecture."""


def draw(search: str, seed: int, path: Path) -> None:
    """Draw a constrained-random genotype of the search's space, all of the found network's size."""
    from ppnas_mm.config.load import load_config
    from ppnas_mm.registry import MODELS

    super_net = MODELS.build(load_config(search).model.model.backbone)
    super_net.random_genotype(np.random.default_rng(seed)).save(path)


def search(jobs: Jobs, finished: bool, work: Path, *arguments: object) -> bool:
    """Search unless finished; return whether a whole architecture came of it."""
    from ppnas_mm.engine.best_of_seeds import failure

    if (work / 'search.json').is_file() and failure(work):
        finished = True
    with contextlib.suppress(NothingFoundError):
        jobs.run(finished, TOOLS / 'search.py', work, *arguments)
    return not failure(work)


def train_all(args: object, folder: Path) -> Results:
    """Search and train every network with every seed; finished runs are not repeated."""
    results: Results = {}
    jobs = Jobs(args.seeds * (3 + len(args.baselines)))
    for seed in range(args.seeds):
        place = folder / f'search-{seed}'
        common = ['--seed', seed, '--resume']
        done = (place / 'derived.safetensors').is_file()
        found = search(jobs, done, place, args.search, *common)
        drawn = folder / f'random-{seed}.json'
        if not drawn.is_file():
            draw(args.search, seed, drawn)
        networks = {
            'found (PP-NAS)': (args.retrain, ['--genotype', place / 'genotype.json']),
            'constrained random': (args.retrain, ['--genotype', drawn]),
            **{name: (f'{CLASSIFICATION}/{name}20_digits.py', []) for name in args.baselines},
        }
        for name, (config, extra) in networks.items():
            work = folder / f'{name.split()[0]}-{seed}'
            result = work / 'result.json'
            if name.startswith('found') and not found:
                results.setdefault(name, []).append(None)
                continue
            jobs.run(result.is_file(), TOOLS / 'train.py', work, config, *common, *extra)
            results.setdefault(name, []).append(read_json(result))
    return results


def train_configs(args: object, folder: Path) -> Results:
    """Train every config of ``--configs`` with every seed; finished runs are not repeated."""
    results: Results = {}
    jobs = Jobs(args.seeds * len(args.configs))
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    for seed in range(args.seeds):
        for config in args.configs:
            name = Path(config).stem
            work = folder / f'{name}-{seed}'
            result, common = work / 'result.json', ['--seed', seed, '--resume', *options]
            jobs.run(result.is_file(), TOOLS / 'train.py', work, config, *common)
            results.setdefault(name, []).append(read_json(result))
    return results


def train_searches(args: object, folder: Path) -> Results:
    """Run every search of ``--searches`` with every seed and train what it found."""
    results: Results = {}
    jobs = Jobs(args.seeds * len(args.searches))
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    for seed in range(args.seeds):
        for config in args.searches:
            name = Path(config).stem
            work = folder / f'{name}-{seed}'
            result = work / 'retrain' / 'result.json'
            common = ['--seed', seed, '--resume', '--retrain', args.retrain, *options]
            found = search(jobs, result.is_file(), work, config, *common)
            results.setdefault(name, []).append(read_json(result) if found else None)
    return results


def operations(args: object, folder: Path) -> str:
    """Return how often each operation stands in each cell that the searches found."""
    from ppnas_mm import Genotype
    from ppnas_mm.engine.best_of_seeds import failure
    from ppnas_mm.utils.tables import table

    rows = []
    for config in args.searches:
        for seed in range(args.seeds):
            name = Path(config).stem
            if failure(folder / f'{name}-{seed}'):
                continue
            genotype = Genotype.load(folder / f'{name}-{seed}' / 'genotype.json')
            for cell in genotype.cells:
                ops = sorted(edge.op for edges in cell.nodes for edge in edges)
                counts = ', '.join(f'{ops.count(op)} {op}' for op in dict.fromkeys(ops))
                skips = ops.count('skip_connect')
                rows.append([name, seed, cell.name, skips, counts])
    return table(['search', 'seed', 'cell', 'skips', 'operations'], rows)


def metrics_of(results: Results, wanted: list[str]) -> list[str]:
    """Return the metrics that names or patterns (``coco/bbox_mAP*``) stand for, in order.

    ``error/NAME`` is 100 minus ``accuracy/NAME``.

    Raises:
        ConfigError: If one stands for nothing that the runs have measured.
    """
    from ppnas_mm.config.keys import ConfigError

    runs = [run for row in results.values() for run in row if run is not None]
    if not runs:
        return wanted
    known = list(dict.fromkeys(name for run in runs for name in run['metrics']))
    known += [f'error/{n.split("/", 1)[1]}' for n in known if n.startswith('accuracy/')]
    found: dict[str, None] = {}
    for pattern in wanted:
        names = fnmatch.filter(known, pattern)
        if not names:
            raise ConfigError(f'--metric {pattern}: the runs have {known}')
        found.update(dict.fromkeys(names))
    return list(found)


def score(run: dict | None, metric: str) -> float:
    """Return a metric of a run; not a number where it failed or has none."""
    if run is None:
        return float('nan')
    if metric.startswith('error/'):
        return 100 - run['metrics'].get(metric.replace('error/', 'accuracy/'), float('nan'))
    return run['metrics'].get(metric, float('nan'))


def summary(results: Results, metric: str) -> str:
    """Return mean, spread and a paired t-test of each network against the first.

    A run without an architecture is a ``Fail``; means are over the others, tests over the seeds
    where neither failed.
    """
    from scipy.stats import ttest_rel

    from ppnas_mm.utils.tables import table

    scores = {name: np.array([score(r, metric) for r in rs]) for name, rs in results.items()}
    first = next(iter(scores.values()))
    known = np.concatenate([v[np.isfinite(v)] for v in scores.values()])
    digits = 3 if known.size and known.max() <= 1 else 2  # shares, or per cent
    rows = []
    for name, values in scores.items():
        good, both = np.isfinite(values), np.isfinite(values) & np.isfinite(first)
        difference = (first - values)[both]
        spread = values[good].std(ddof=1) if good.sum() > 1 else float('nan')
        against = '-'
        if values is not first and both.any():
            several = both.sum() > 1 and np.ptp(difference)
            p = ttest_rel(first[both], values[both]).pvalue if several else float('nan')
            against = f'{difference.mean():+.{digits}f} (p = {p:.2f})'
        mean = f'{values[good].mean():.{digits}f} ± {spread:.{digits}f}' if good.any() else 'Fail'
        each = ' '.join(f'{v:.{digits}f}' if np.isfinite(v) else 'Fail' for v in values)
        sizes = sorted({r['parameters'] for r in results[name] if r is not None})
        size = '..'.join(f'{n:,}' for n in dict.fromkeys(sizes[:1] + sizes[-1:])) or '-'
        rows.append([name, mean, each, against, size])
    header = ['network', f'{metric}, mean ± sd', 'each seed', 'first minus it (paired t)']
    return table([*header, 'parameters'], rows)


def main() -> None:
    """Parse the arguments, run what is missing, print and save the table."""
    parser = cli.new_parser(
        'Compare over several seeds: found, constrained random, Res2Net and ResNet networks of '
        'equal size on digits, or any --configs or --searches. Finished runs are kept, so you '
        'can repeat the command after a stop.',
        'python tools/compare.py --seeds 5 --work-dir work_dirs/compare_digits',
    )
    parser.add_argument('--seeds', type=int, default=5, help='number of seeds, counted from 0')
    parser.add_argument('--work-dir', default='work_dirs/compare_digits')
    parser.add_argument('--search', default='configs/search/ppnas_digits.py')
    parser.add_argument('--retrain', default=f'{CLASSIFICATION}/pp-resnet20_digits.py')
    parser.add_argument('--baselines', nargs='*', default=['res2net', 'resnet'])
    parser.add_argument('--configs', nargs='+', help='compare these training configs instead')
    parser.add_argument(
        '--searches', nargs='+', help='compare these searches instead, by --retrain'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='overrides for all --configs or --searches',
    )
    parser.add_argument(
        '--metric',
        nargs='+',
        default=['accuracy/top1'],
        help="one table for each: names, 'error/top1', or patterns such as 'coco/bbox_mAP*' (by "
        "size) and 'coco/*_precision' (each class, with val_evaluator.classwise=True)",
    )
    args = parser.parse_args()
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    train = train_searches if args.searches else train_configs if args.configs else train_all
    results = train(args, folder)
    parts = [summary(results, metric) for metric in metrics_of(results, args.metric)]
    text = '\n\n'.join(parts + ([operations(args, folder)] if args.searches else []))
    (folder / 'table.md').write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    cli.run_tool(main)
