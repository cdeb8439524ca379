"""Compare networks over several seeds; see --help."""

import json
from pathlib import Path

import numpy as np

from ppnas_mm import cli
from ppnas_mm.jobs import Jobs

TOOLS = Path(__file__).parent
CLASSIFICATION = 'configs/classification'


def draw(search: str, seed: int, path: Path) -> None:
    """Draw a constrained-random genotype of the search's space, all of the found network's size."""
    from ppnas_mm.config import load_config
    from ppnas_mm.registry import MODELS

    backbone = load_config(search).model.model.backbone
    # the published networks keep one identity and 3x3 convolutions: so do these, for equal size
    backbone.ops = ('identity', 'conv_3x3')
    super_net = MODELS.build(backbone)
    super_net.random_genotype(np.random.default_rng(seed)).save(path)


def train_all(args: object, folder: Path) -> dict[str, list[dict]]:
    """Search and train every network with every seed; finished runs are not repeated."""
    results: dict[str, list[dict]] = {}
    jobs = Jobs(args.seeds * (3 + len(args.baselines)))
    for seed in range(args.seeds):
        search = folder / f'search-{seed}'
        common = ['--seed', seed, '--resume']
        found = (search / 'derived.safetensors').is_file()
        jobs.run(found, TOOLS / 'search.py', search, args.search, *common)
        drawn = folder / f'random-{seed}.json'
        if not drawn.is_file():
            draw(args.search, seed, drawn)
        networks = {
            'found (PP-NAS)': (args.retrain, ['--genotype', search / 'genotype.json']),
            'constrained random': (args.retrain, ['--genotype', drawn]),
            **{name: (f'{CLASSIFICATION}/{name}20_digits.py', []) for name in args.baselines},
        }
        for name, (config, extra) in networks.items():
            work = folder / f'{name.split()[0]}-{seed}'
            result = work / 'result.json'
            jobs.run(result.is_file(), TOOLS / 'train.py', work, config, *common, *extra)
            results.setdefault(name, []).append(json.loads(result.read_text()))
    return results


def train_configs(args: object, folder: Path) -> dict[str, list[dict]]:
    """Train every config of ``--configs`` with every seed; finished runs are not repeated."""
    results: dict[str, list[dict]] = {}
    jobs = Jobs(args.seeds * len(args.configs))
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    for seed in range(args.seeds):
        for config in args.configs:
            name = Path(config).stem
            work = folder / f'{name}-{seed}'
            result, common = work / 'result.json', ['--seed', seed, '--resume', *options]
            jobs.run(result.is_file(), TOOLS / 'train.py', work, config, *common)
            results.setdefault(name, []).append(json.loads(result.read_text()))
    return results


def train_searches(args: object, folder: Path) -> dict[str, list[dict]]:
    """Run every search of ``--searches`` with every seed and train what it found."""
    results: dict[str, list[dict]] = {}
    jobs = Jobs(args.seeds * len(args.searches))
    for seed in range(args.seeds):
        for config in args.searches:
            name = Path(config).stem
            work = folder / f'{name}-{seed}'
            result = work / 'retrain' / 'result.json'
            common = ['--seed', seed, '--resume', '--retrain', args.retrain]
            jobs.run(result.is_file(), TOOLS / 'search.py', work, config, *common)
            results.setdefault(name, []).append(json.loads(result.read_text()))
    return results


def operations(args: object, folder: Path) -> str:
    """Return how often each operation stands in each cell that the searches found."""
    from ppnas_mm import Genotype
    from ppnas_mm.report import table

    rows = []
    for config in args.searches:
        for seed in range(args.seeds):
            name = Path(config).stem
            genotype = Genotype.load(folder / f'{name}-{seed}' / 'genotype.json')
            for cell in genotype.cells:
                ops = sorted(edge.op for edges in cell.nodes for edge in edges)
                counts = ', '.join(f'{ops.count(op)} {op}' for op in dict.fromkeys(ops))
                skips = ops.count('skip_connect')
                rows.append([name, seed, cell.name, skips, counts])
    return table(['search', 'seed', 'cell', 'skips', 'operations'], rows)


def summary(results: dict[str, list[dict]], metric: str) -> str:
    """Return mean, spread and a paired t-test of each network against the first."""
    from scipy.stats import ttest_rel

    from ppnas_mm.report import table

    scores = {name: np.array([r['metrics'][metric] for r in rs]) for name, rs in results.items()}
    first = next(iter(scores.values()))
    rows = []
    for name, values in scores.items():
        digits = 3 if values.max() <= 1 else 2  # shares, or per cent
        difference = first - values
        p = ttest_rel(first, values).pvalue if np.ptp(difference) else float('nan')
        against = '-' if values is first else f'{difference.mean():+.{digits}f} (p = {p:.2f})'
        parameters = sorted({r['parameters'] for r in results[name]})
        size = (
            f'{parameters[0]:,}'
            if len(parameters) == 1
            else f'{parameters[0]:,}..{parameters[-1]:,}'
        )
        each = ' '.join(f'{v:.{digits}f}' for v in values)
        spread = values.std(ddof=1) if len(values) > 1 else float('nan')
        rows.append(
            [name, f'{values.mean():.{digits}f} ± {spread:.{digits}f}', each, against, size]
        )
    header = [
        'network',
        f'{metric}, mean ± sd',
        'each seed',
        'first minus it (paired t)',
        'parameters',
    ]
    return table(header, rows)


def main() -> None:
    """Parse the arguments, run what is missing, print and save the table."""
    parser = cli.new_parser(
        'Train found, constrained-random, Res2Net and ResNet networks of equal size and schedule '
        'on digits, or any --configs or --searches; finished runs are kept, so the command can be '
        'repeated after a stop.',
        'python tools/compare.py --seeds 5 --work-dir work_dirs/compare_digits',
    )
    parser.add_argument('--seeds', type=int, default=5, help='number of seeds, from 0')
    parser.add_argument('--work-dir', default='work_dirs/compare_digits')
    parser.add_argument('--search', default='configs/search/ppnas_digits.py')
    parser.add_argument('--retrain', default=f'{CLASSIFICATION}/pp-resnet20_digits.py')
    parser.add_argument('--baselines', nargs='*', default=['res2net', 'resnet'])
    parser.add_argument('--configs', nargs='+', help='training configs to compare instead')
    parser.add_argument('--searches', nargs='+', help='searches to compare by --retrain instead')
    parser.add_argument('--cfg-options', nargs='+', metavar='KEY=VALUE', help='for all --configs')
    parser.add_argument('--metric', default='accuracy/top1')
    args = parser.parse_args()
    folder = Path(args.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if args.searches:
        scores = summary(train_searches(args, folder), args.metric)
        text = f'{scores}\n\n{operations(args, folder)}'
    else:
        text = summary((train_configs if args.configs else train_all)(args, folder), args.metric)
    (folder / 'table.md').write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    cli.run_tool(main)
