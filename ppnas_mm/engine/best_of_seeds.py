"""The best of several searches with different seeds.

The architecture that one search finds depends on its seed; EoiNAS (Section IV-B) searches with four
and keeps the best by validation.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from ..utils.files import DamagedFileError, checksum, read_json, write_atomic
from ..utils.jobs import JobError, Jobs, NothingFoundError
from ..utils.tables import figure, table
from ..visualize.report import write_report
from ..visualize.seeds import draw_seeds
from . import model_options
from .launchers import LAUNCHED, place
from .run import load_run, require_arch, require_search, set_genotype
from .settings import differences, settings_of
from .work_dir import alone, lock, put_aside

MEASURES = {
    'val': 'networks drawn in the last epoch, on held-out training images',
    'super_net': "the super-net on the config's validation data",
    'derived': "the derived network on the config's validation data",
    'retrained': 'the retrained network on the validation data of its config',
}
KEPT = (
    'genotype.json',
    'derived.safetensors',
    'config.py',
    'search.json',
    '*.svg',
    'retrain/result.json',
    'retrain/*.pth',
)
"""Files copied from the best search."""


def seed_list(text: str) -> list[int]:
    """Return the seeds of ``0,1,2``.

    Raises:
        argparse.ArgumentTypeError: If one is not a whole number of 0 or more, or is given twice.
    """
    words = [word.strip() for word in text.split(',')]
    wrong = [word for word in words if not re.fullmatch('[0-9]+', word)]
    if wrong:
        raise argparse.ArgumentTypeError(
            f'{text!r}: {wrong[0]!r} is not a seed; use for example 0,1,2,3'
        )
    seeds = [int(word) for word in words]
    if len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f'{text!r}: a seed is given twice')
    return seeds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--seeds`` and ``--select``."""
    parser.add_argument(
        '--seeds',
        type=seed_list,
        metavar='N,N',
        help='search once for each seed, in WORK_DIR/seed-N, and keep the best in WORK_DIR, with a '
        'table and a picture; --resume does not repeat finished seeds. With --launcher the '
        'processes share the seeds (omit --seeds for one search on all processes)',
    )
    parser.add_argument(
        '--select',
        choices=MEASURES,
        help='what chooses the best seed; default: val (accuracy on held-out training images) if '
        'the search reports it, else derived. The others use the validation data of the config; if '
        'these are the test split, the choice is made on test data',
    )


def check_arguments(parser: argparse.ArgumentParser, args: Namespace) -> None:
    """Report an error if arguments contradict each other."""
    if args.seeds and args.seed is not None:
        parser.error('--seed and --seeds exclude each other')
    if args.select and not args.seeds:
        parser.error('--select needs --seeds')
    if args.select == 'retrained' and not args.retrain:
        parser.error('--select retrained needs --retrain')


def shared_options(args: Namespace) -> dict[str, Any]:
    """Return the ``--cfg-options`` of a search that also apply to its retraining: the data."""
    return {key: value for key, value in args.cfg_options.items() if key == 'data_root'}


def search_environment(launcher: str, local_rank: int) -> dict[str, str]:
    """Return the environment of a search: one process, with its own GPU if launched."""
    import torch

    environment = {k: v for k, v in os.environ.items() if not LAUNCHED.fullmatch(k)}
    count = torch.cuda.device_count()
    if launcher != 'none' and count:
        visible = environment.get('CUDA_VISIBLE_DEVICES') or ','.join(map(str, range(count)))
        environment['CUDA_VISIBLE_DEVICES'] = visible.split(',')[local_rank % count]
    return environment


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a search, empty if missing or damaged; print a warning if damaged."""
    path = folder / 'search.json'
    try:
        return read_json(path) if path.is_file() else {}
    except DamagedFileError as error:
        print(f'warning: {error}', flush=True)
        return {}


def finished(folder: Path, seed: int, config: Any, retrain: Any = None) -> bool:
    """Return whether a search, and optionally its retraining, has ended with its config.

    Records of earlier versions lack their settings; these are assumed to match.

    Args:
        folder: The work dir.
        seed: Its seed.
        config: The config of the search, with any seed.
        retrain: The config of the retraining, with any seed and architecture.
    """
    record = read_record(folder)
    settings = {**settings_of(config), 'randomness.seed': seed}
    if 'result' not in record or differences(record.get('settings', settings), settings):
        return False
    if retrain is None or failure(folder):
        return True
    return trained(folder / 'retrain', seed, retrain, folder / 'genotype.json')


def trained(folder: Path, seed: int, config: Any, genotype: Path | None = None) -> bool:
    """Return whether a training has ended with its config.

    Args:
        folder: Its work dir.
        seed: Its seed.
        config: Its config, with any seed.
        genotype: A file that replaces the config's architecture.
    """
    path = folder / 'result.json'
    if not path.is_file():
        return False
    if genotype is not None:
        config = copy.deepcopy(config)
        set_genotype(config, str(genotype))
    wanted = checksum({**settings_of(config), 'randomness.seed': seed})
    try:
        return read_json(path).get('settings', wanted) == wanted
    except DamagedFileError as error:
        print(f'warning: {error}', flush=True)
        return False


def failure(folder: Path) -> str:
    """Return why a finished search found no complete architecture; '' if it found one."""
    return str(read_record(folder).get('result', {}).get('failed', ''))


def search_seeds(args: Namespace, tool: Path) -> None:
    """Search with every seed of ``args``; the last process to end keeps the best.

    The processes of a launcher share only the work dir: none waits for another, and each reports
    its own errors.

    Args:
        args: The arguments of ``tools/search.py``.
        tool: Path of ``tools/search.py``.

    Raises:
        ConfigError: If the config, the config of the retraining, or the launcher is wrong.
        JobError: If a search failed, or none found a complete architecture; the other seeds are run
            first.
    """
    config = load_run(Namespace(**{**vars(args), 'launcher': 'none'}))
    require_search(config, args.config)
    retrain = None
    if args.retrain:
        given = {'config': args.retrain, 'cfg_options': shared_options(args), 'launcher': 'none'}
        given['space'] = None
        retrain = load_run(Namespace(**{**vars(args), **given}))
        require_arch(retrain, f'--retrain {args.retrain}')
    rank, count, local_rank = place(args.launcher, os.environ)
    folder = Path(config.work_dir)
    folders = {seed: folder / f'seed-{seed}' for seed in args.seeds}
    own = args.seeds[rank::count]
    if rank == 0:
        lock(folder)
    resume = args.resume or bool(config.get('resume'))
    if not resume:
        for path in [folder] * (rank == 0) + [folders[seed] for seed in own]:
            with alone(path):
                put_aside(path)
    environment = search_environment(args.launcher, local_rank)
    options = ['--retrain', args.retrain] if args.retrain else []
    options += ['--resume'] * resume + ['--amp'] * args.amp
    options += ['--cfg-options', *args.cfg_options_words] if args.cfg_options else []
    jobs, failed = Jobs(len(own)), []
    for seed in own:
        done = finished(folders[seed], seed, config, retrain)
        arguments = [*model_options.words(args), '--seed', seed, *options]
        try:
            jobs.run(done, tool, folders[seed], *arguments, environment=environment)
        except NothingFoundError:  # also a result: its record says why
            print(f'seed {seed}: Fail: {failure(folders[seed])}', flush=True)
        except JobError as error:
            failed.append(f'seed {seed}: {error}')
    if failed:
        raise JobError(f'{"; ".join(failed)}; --resume repeats only the failed seeds')
    left = [str(s) for s, path in folders.items() if not finished(path, s, config, retrain)]
    if left:
        print(f'not finished yet: seeds {", ".join(left)}; the last process to end picks the best')
    else:
        print(keep_best(folder, folders, args.select))


def measures(folder: Path, record: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Return the name and the value of each of ``MEASURES`` that a finished search reports.

    Args:
        folder: The work dir of the search.
        record: The content of its ``search.json``.
    """
    groups = {key: record['result'].get(key, {}).get('metrics', {}) for key in MEASURES}
    last = record['epochs'][-1].get('metrics', {})
    groups['val'] = {k: v for k, v in last.items() if k == 'accuracy_val'}
    retrained = folder / 'retrain' / 'result.json'
    if retrained.is_file():
        groups['retrained'] = read_json(retrained)['metrics']
    return {key: next(iter(group.items())) for key, group in groups.items() if group}


def choose(values: Mapping[int, Mapping[str, float]], select: str | None = None) -> tuple[str, int]:
    """Return the measure for the choice and the seed where it is highest, among equals the first.

    Args:
        values: Measures of each seed.
        select: The measure; default: ``val`` if all seeds have it, else ``derived``.

    Raises:
        ConfigError: If not every seed has the measure.
    """
    shared = [key for key in MEASURES if all(key in row for row in values.values())]
    key = next((key for key in ([select] if select else ['val', 'derived']) if key in shared), None)
    if key is None:
        raise ConfigError(
            f'no best seed by {select or "val or derived"}: the seeds have {shared or "nothing"} '
            'in common; --resume --select chooses by another'
        )

    def rank(seed: int) -> float:
        value = values[seed][key]
        return -math.inf if math.isnan(value) else value

    return key, max(values, key=rank)


def keep_best(folder: Path, folders: Mapping[int, Path], select: str | None = None) -> str:
    """Copy the best finished search to ``folder``; write and return the table of all.

    Args:
        folder: Destination for ``KEPT`` of the best, ``seeds.json``, ``seeds.md``, ``seeds.svg``
            and ``report.html``.
        folders: The work dir of each seed.
        select: One of ``MEASURES``; see :func:`choose`.

    Raises:
        ConfigError: If not every seed has the measure.
        JobError: If no seed found a complete architecture.
    """
    everything = dict(folders)
    failed = {seed: failure(path) for seed, path in everything.items()}
    folders = {seed: path for seed, path in everything.items() if not failed[seed]}
    if not folders:
        raise JobError(f'no seed found a complete architecture; {next(iter(failed.values()))}')
    records = {s: read_json(p / 'search.json') for s, p in folders.items()}
    found = {seed: measures(path, records[seed]) for seed, path in folders.items()}
    values = {seed: {k: value for k, (_, value) in row.items()} for seed, row in found.items()}
    key, best = choose(values, select)
    names = {k: name for row in found.values() for k, (name, _) in row.items()}
    about = dict(
        criterion=dict(select=key, metric=names[key], meaning=MEASURES[key]),
        best=best,
        metrics=names,
        seeds=[
            dict(seed=seed, genotype=records[seed]['result']['genotype'], values=values[seed])
            for seed in folders
        ],
        failed={seed: reason for seed, reason in failed.items() if reason},
    )
    text = f'{seeds_table({s: values.get(s) for s in everything}, names, best)}\n\n'
    text += f'Best: seed {best}, by {names[key]} of {MEASURES[key]}.'
    if key != 'val':
        text += '\nIf that is the test split, this choice was made on test data.'
    if len(folders) < len(everything):
        left = ', '.join(f'{seed} ({reason})' for seed, reason in failed.items() if reason)
        text += f'\nWarning: no architecture from seed {left}. Means are over the others.'
    _copy(folders[best], folder)
    draw_seeds(records, values, names, (key, best), folder / 'seeds.svg')
    write_atomic(folder / 'seeds.md', f'{text}\n'.encode())
    write_atomic(folder / 'seeds.json', json.dumps(about, indent=1).encode())
    write_report(folder)
    return text


def _copy(source: Path, target: Path) -> None:
    paths = [path.relative_to(source) for pattern in KEPT for path in source.glob(pattern)]
    for path in paths:
        write_atomic(target / path, (source / path).read_bytes())
    for path in target.glob('retrain/*.pth'):  # of the previous best seed
        if path.relative_to(target) not in paths:
            path.unlink()


def seeds_table(
    values: Mapping[int, Mapping[str, float] | None], names: Mapping[str, str], best: int
) -> str:
    """Return a Markdown table of the measures of each seed, mean and spread; ``None``: Fail."""
    keys = [key for key in MEASURES if key in names]
    rows: list[Sequence[Any]] = [
        [
            f'{seed} (best)' if seed == best else seed,
            *('Fail' if row is None else row.get(key, '-') for key in keys),
        ]
        for seed, row in values.items()
    ]
    spread = []
    for key in keys:
        column = [row[key] for row in values.values() if row is not None and key in row]
        mean = sum(column) / len(column)
        variance = sum((v - mean) ** 2 for v in column) / max(1, len(column) - 1)
        spread.append(f'{figure(mean)} ± {figure(variance**0.5)}' if len(column) > 1 else '-')
    header = ['seed', *(f'{key.replace("_", "-")}: {names[key]}' for key in keys)]
    return table(header, [*rows, ['mean ± sd', *spread]])
