"""Compare networks, configs or searches over several seeds."""

from __future__ import annotations

import contextlib
import fnmatch
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..config.keys import ConfigError
from ..config.options import read_value
from ..engine.best_of_seeds import failure, finished, trained
from ..engine.run import load_run
from ..genotype import Genotype
from ..utils.compat import require
from ..utils.files import read_json
from ..utils.jobs import Jobs, NothingFoundError
from ..utils.tables import table

Results = dict[str, list[dict | None]]
"""Results of each seed, by network; ``None``: its search found no complete architecture."""


@dataclass(frozen=True)
class Comparison:
    """What to compare, and where.

    Attributes:
        tools: Folder of ``search.py`` and ``train.py``.
        folder: Work dir; finished runs in it with the same settings are not repeated.
        seeds: Number of seeds, from 0.
        search, retrain: Configs of a search and of the training of its result.
        baselines: Configs to train for comparison with the result of the search, by name.
        configs: Configs to train and compare instead.
        searches: Searches to compare by ``retrain`` instead.
        options: ``KEY=VALUE`` for all of ``configs`` or ``searches``.
    """

    tools: Path
    folder: Path
    seeds: int
    search: str
    retrain: str
    baselines: dict[str, str]
    configs: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()

    def run(self, metrics: Sequence[str]) -> str:
        """Do the missing runs; return the tables of the metrics, also written to ``table.md``.

        Raises:
            ConfigError: If no run has measured one of the metrics, or options apply to nothing.
            JobError: If a run fails.
        """
        if self.options and not self.configs and not self.searches:
            raise ConfigError('--cfg-options needs --configs or --searches')
        self.folder.mkdir(parents=True, exist_ok=True)
        several = self.train_configs if self.configs else self.train_all
        results = self.train_searches() if self.searches else several()
        parts = [summary(results, metric) for metric in metrics_of(results, metrics)]
        text = '\n\n'.join(parts + ([self.operations()] if self.searches else []))
        (self.folder / 'table.md').write_text(text + '\n')
        return text

    def draw(self, seed: int, path: Path) -> None:
        """Draw a constrained-random genotype of the search's space, of the found network's size."""
        from ..config.load import load_config
        from ..config.model import build_model

        config = load_config(self.search)
        super_net = build_model(config, config.model.model.backbone)
        super_net.random_genotype(np.random.default_rng(seed)).save(path)

    def config(self, path: str) -> Any:
        """Load a config like the tools, with the options."""
        pairs = (word.split('=', 1) for word in self.options)
        options = {key: read_value(value) for key, value in pairs}
        about = dict(config=path, cfg_options=options, launcher='none', local_rank=0)
        return load_run(Namespace(**about, work_dir=None))

    def train(
        self,
        jobs: Jobs,
        work: Path,
        path: str,
        config: Any,
        seed: int,
        genotype: Path | None = None,
    ) -> dict:
        """Train a config, unless already done with these settings; return the result."""
        words: list[object] = [path, '--seed', seed, '--resume']
        words += ['--genotype', genotype] if genotype else []
        done = trained(work, seed, config, genotype)
        jobs.run(done, self.tools / 'train.py', work, *words, *self._options())
        return read_json(work / 'result.json')

    def try_search(self, jobs: Jobs, finished: bool, work: Path, *arguments: object) -> bool:
        """Search unless finished; return whether the search found a complete architecture."""
        with contextlib.suppress(NothingFoundError):
            jobs.run(finished, self.tools / 'search.py', work, *arguments)
        return not failure(work)

    def train_all(self) -> Results:
        """Search and train every network with every seed."""
        results: Results = {}
        jobs = Jobs(self.seeds * (3 + len(self.baselines)))
        search = self.config(self.search)
        configs = {path: self.config(path) for path in (self.retrain, *self.baselines.values())}
        for seed in range(self.seeds):
            place = self.folder / f'search-{seed}'
            done = finished(place, seed, search)
            found = self.try_search(jobs, done, place, self.search, '--seed', seed, '--resume')
            drawn = self.folder / f'random-{seed}.json'
            if not drawn.is_file():
                self.draw(seed, drawn)
            networks: dict[str, tuple[str, Path | None]] = {
                'found (PP-NAS)': (self.retrain, place / 'genotype.json'),
                'constrained random': (self.retrain, drawn),
                **{name: (config, None) for name, config in self.baselines.items()},
            }
            for name, (config, genotype) in networks.items():
                work = self.folder / f'{name.split()[0]}-{seed}'
                if name.startswith('found') and not found:
                    results.setdefault(name, []).append(None)
                    continue
                result = self.train(jobs, work, config, configs[config], seed, genotype)
                results.setdefault(name, []).append(result)
        return results

    def _retraining(self) -> Any:
        """Load the config of the retraining; of the options, only ``data_root`` applies to it."""
        roots = [word for word in self.options if word.startswith('data_root=')]
        return replace(self, options=roots).config(self.retrain)

    def _options(self) -> list[str]:
        return ['--cfg-options', *self.options] if self.options else []

    def train_configs(self) -> Results:
        """Train every config with every seed."""
        results: Results = {}
        jobs = Jobs(self.seeds * len(self.configs))
        loaded = {path: self.config(path) for path in self.configs}
        for seed in range(self.seeds):
            for config in self.configs:
                name = Path(config).stem
                work = self.folder / f'{name}-{seed}'
                result = self.train(jobs, work, config, loaded[config], seed)
                results.setdefault(name, []).append(result)
        return results

    def train_searches(self) -> Results:
        """Run every search with every seed and train its result."""
        results: Results = {}
        jobs = Jobs(self.seeds * len(self.searches))
        loaded, retrain = {path: self.config(path) for path in self.searches}, self._retraining()
        for seed in range(self.seeds):
            for config in self.searches:
                name = Path(config).stem
                work = self.folder / f'{name}-{seed}'
                result = work / 'retrain' / 'result.json'
                common = ['--seed', seed, '--resume', '--retrain', self.retrain, *self._options()]
                done = finished(work, seed, loaded[config], retrain)
                found = self.try_search(jobs, done, work, config, *common)
                results.setdefault(name, []).append(read_json(result) if found else None)
        return results

    def operations(self) -> str:
        """Return how often each operation occurs in each cell found by the searches."""
        rows = []
        for config in self.searches:
            for seed in range(self.seeds):
                name = Path(config).stem
                if failure(self.folder / f'{name}-{seed}'):
                    continue
                genotype = Genotype.load(self.folder / f'{name}-{seed}' / 'genotype.json')
                for cell in genotype.cells:
                    ops = sorted(edge.op for edges in cell.nodes for edge in edges)
                    counts = ', '.join(f'{ops.count(op)} {op}' for op in dict.fromkeys(ops))
                    skips = ops.count('skip_connect')
                    rows.append([name, seed, cell.name, skips, counts])
        return table(['search', 'seed', 'cell', 'skips', 'operations'], rows)


USUAL = ('accuracy/top1', 'coco/bbox_mAP', 'pascal_voc/mAP', 'mIoU')
"""The metrics that papers compare, of the tasks."""


def metrics_of(results: Results, wanted: Sequence[str]) -> list[str]:
    """Return the metrics that match names or patterns (``coco/bbox_mAP*``), in order.

    ``error/NAME`` is 100 minus ``accuracy/NAME``.  Without a name it is the usual one of the task.

    Raises:
        ConfigError: If one matches no metric of the runs.
    """
    runs = [run for row in results.values() for run in row if run is not None]
    if not runs:
        return list(wanted) or [USUAL[0]]
    known = list(dict.fromkeys(name for run in runs for name in run['metrics']))
    known += [f'error/{n.split("/", 1)[1]}' for n in known if n.startswith('accuracy/')]
    found: dict[str, None] = {}
    for pattern in wanted or [name for name in (*USUAL, *known) if name in known][:1]:
        names = fnmatch.filter(known, pattern)
        if not names:
            raise ConfigError(f'--metric {pattern}: the runs have {known}')
        found.update(dict.fromkeys(names))
    return list(found)


def score(run: dict | None, metric: str) -> float:
    """Return a metric of a run; NaN if the run failed or lacks it."""
    if run is None:
        return float('nan')
    if metric.startswith('error/'):
        return 100 - run['metrics'].get(metric.replace('error/', 'accuracy/'), float('nan'))
    return run['metrics'].get(metric, float('nan'))


def summary(results: Results, metric: str) -> str:
    """Return mean, spread and a paired t-test of each network against the first.

    A run without an architecture is a ``Fail``; means exclude it, and tests use the seeds where
    neither failed.
    """
    ttest = require('scipy.stats').ttest_rel
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
            p = ttest(first[both], values[both]).pvalue if several else float('nan')
            against = f'{difference.mean():+.{digits}f} (p = {p:.2f})'
        mean = f'{values[good].mean():.{digits}f} ± {spread:.{digits}f}' if good.any() else 'Fail'
        each = ' '.join(f'{v:.{digits}f}' if np.isfinite(v) else 'Fail' for v in values)
        sizes = sorted({r['parameters'] for r in results[name] if r is not None})
        size = '..'.join(f'{n:,}' for n in dict.fromkeys(sizes[:1] + sizes[-1:])) or '-'
        rows.append([name, mean, each, against, size])
    header = ['network', f'{metric}, mean ± sd', 'each seed', 'first minus it (paired t)']
    return table([*header, 'parameters'], rows)
