"""A few epochs of every search on digits: finite losses, mixed precision, resuming."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.run import load_run
from ...engine.work_dir import start_run
from ...genotype import DegenerateArchitectureError
from .parts import Options, Row, attempt

CONFIGS = Path(__file__).parents[3] / 'configs/search'
EPOCHS = {'eoinas_digits': 8}
"""Number of epochs of a search, 2 by default; EoiNAS prunes seven times after one warm-up epoch."""
QUICK = {
    'model.recalibrate_batches': 1,
    'model.eval_batches': 1,
    'model.selection': dict(population=4, generations=1, crossover=2, mutation=2),
}
"""A short selection for SPOS and SE-NAS."""
SEARCHES: dict[str, dict[str, Any]] = {
    # large rates: two epochs must move alpha
    'ppnas_digits': {'model.threshold': 0.5, 'optim_wrapper.arch.optimizer.lr': 0.3},
    # an epoch of the evaluation network, then a joint one
    'cdarts_digits': {'model.warmup_epochs': 0, 'optim_wrapper.arch.optimizer.lr': 0.05},
    'eoinas_digits': {'optim_wrapper.arch.optimizer.lr': 0.05},
    'senas_digits': {
        **QUICK,
        'model.first_epochs': 1,
        'model.stage_epochs': 1,
        'model.models_per_op': 1,
    },
    'gdas_digits': {
        'model.warmup_epochs': 0,
        'optim_wrapper.arch.optimizer.lr': 0.05,
    },
    'darts_digits': {'model.warmup_epochs': 0, 'optim_wrapper.arch.optimizer.lr': 0.05},
    'spos_digits': QUICK,
    'random_darts-digits': {},
}
"""Configs of ``configs/search`` in order of importance, and their options for so few epochs."""
UNLEARNED = ('spos_digits', 'senas_digits', 'random_darts-digits')
"""Searches without architecture parameters: their selection depends on accuracies that may tie."""
TINY = {
    'train_dataloader.dataset.indices': 64,
    'train_dataloader.batch_size': 16,
    'val_dataloader.dataset.indices': 20,
}


def runner(name: str, options: Options, folder: Path, **flags: Any) -> Any:
    """Return mmengine's runner of a search; ``flags`` are those of ``tools/search.py``."""
    from ...engine.runner import Runner

    given = {**SEARCHES[name], **(TINY if options.tiny else {})}
    given['train_cfg.max_epochs'] = given['train_cfg.val_interval'] = EPOCHS.get(name, 2)
    if flags.get('amp') and options.device == 'cuda':
        # with a higher scale the first steps would overflow and be skipped, which changes the
        # result
        given['optim_wrapper.weights.loss_scale'] = dict(init_scale=256.0)
    args = Namespace(
        config=str(CONFIGS / f'{name}.py'),
        cfg_options=given,
        work_dir=str(folder),
        launcher='none',
        local_rank=0,
        **{'seed': 0, 'amp': False, **flags},
    )
    config = load_run(args)
    config.log_level = 'WARNING'
    start_run(config, flags.get('resume', False))
    return Runner.from_cfg(config)


def search(name: str, options: Options, folder: Path, **flags: Any) -> dict[str, Any]:
    """Search for a few epochs, or resume; return ``search.json`` with the time as ``seconds``."""
    start = time.monotonic()
    with suppress(DegenerateArchitectureError):  # possible after few epochs; the record exists
        runner(name, options, folder, **flags).train()
    return {**json.loads((folder / 'search.json').read_text()), 'seconds': time.monotonic() - start}


def decided(record: dict[str, Any]) -> np.ndarray:
    """Return the concatenated distributions of all choices after the last epoch."""
    last = record['epochs'][-1]['architecture']
    return np.concatenate([np.array(values) for values in last.values()])


def strongest(record: dict[str, Any]) -> list[int]:
    """Return the strongest candidate of every choice after the last epoch."""
    return [int(np.argmax(v)) for v in record['epochs'][-1]['architecture'].values()]


def distance(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Return the mean difference of the distributions; 1 if their sizes differ."""
    a, b = decided(one), decided(two)
    return float(abs(a - b).mean()) if a.shape == b.shape else 1.0


def compare(name: str, options: Options, folder: Path) -> Row:
    """Search in full and mixed precision, and with another seed; resume the first search."""
    single = search(name, options, folder / 'single')
    mixed = search(name, options, folder / 'mixed', amp=True)
    other = search(name, options, folder / 'other', seed=1)
    again = folder / 'again'
    again.mkdir()
    for file in (f'epoch_{EPOCHS.get(name, 2) - 1}.pth', 'search.json'):
        shutil.copy(folder / 'single' / file, again)
    resumed = search(name, options, again, resume=True)
    same = np.mean([a == b for a, b in zip(strongest(single), strongest(mixed), strict=True)])
    by_precision, by_seed = distance(single, mixed), distance(single, other)
    by_resume = distance(single, resumed)
    learned = name not in UNLEARNED
    return dict(
        search=name,
        seconds=single['seconds'],
        seconds_amp=mixed['seconds'],
        loss=single['epochs'][-1]['losses']['loss'],
        loss_amp=mixed['epochs'][-1]['losses']['loss'],
        distance_amp=by_precision,
        distance_seed=by_seed,
        same_choices=float(same),
        distance_resumed=by_resume,
        # a loss that is not finite stops a search
        ok=not learned or bool(by_resume <= by_seed and by_precision < 2 * by_seed),
    )


def compared(name: str, options: Options, folder: Path) -> Iterator[Row]:
    """Yield the one row of a search."""
    yield compare(name, options, folder)


def rows(options: Options) -> Iterator[Row]:
    """Yield a row for each search; a failed search does not stop the others."""
    for name in SEARCHES:
        with tempfile.TemporaryDirectory() as folder:
            yield from attempt({'search': name}, partial(compared, name, options, Path(folder)))
