"""Reads what a finished command measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..genotype import Genotype
from ..tables import TABLES, BenchmarkTable
from ..tables.table import find
from ..utils.files import DamagedFileError, read_json
from ..utils.schema import parse


class MeasureError(ValueError):
    """The results of a command lack what a table wants of them."""


def read_measure(measure: str, folder: Path) -> list[float]:
    """Return what a command measured: one number, or one for each of its own seeds.

    NaN stands for a search of a study that found nothing.

    Args:
        measure: ``accuracy/top1`` or another metric of the trained or retrained network, or, if
            nothing was retrained, of the derived one; ``error/top1``: 100 minus the accuracy.
            ``derived:METRIC``: before the retraining; ``super_net:METRIC``.
            ``table:SPACE/DATASET``: the accuracy of the found architecture in the table of a space.
            ``FILE#KEY#KEY``: an entry of a JSON file; in a list of objects, a key chooses the first
            that has it as a value; ``*``: every entry of an object. ``100*`` before a measure: a
            share in per cent.
        folder: Work dir of the command.

    Raises:
        MeasureError: If the results have no such number.
        DamagedFileError: If they are damaged.
        TableError: If the table of the benchmark is missing.
    """
    if measure.startswith('100*'):
        return [100 * value for value in read_measure(measure.removeprefix('100*'), folder)]
    name, *keys = measure.split('#')
    if keys:
        found = _entry(folder / name, keys)
        return [_number(v, measure) for v in (found if isinstance(found, list) else [found])]
    group, _, metric = measure.rpartition(':')
    if group == 'table':
        table, dataset = _table(metric)
        return [table.accuracy(Genotype.load(folder / 'genotype.json'), dataset)]
    return [_metric(_metrics(folder, group), metric, folder)]


def check_measure(measure: str) -> None:
    """Check, before a command runs, that there is the table in which its result is looked up.

    Raises:
        MeasureError: If no benchmark is known of the space.
        TableError: If its table is missing, or lacks the data set.
    """
    group, _, name = measure.removeprefix('100*').rpartition(':')
    if group == 'table':
        table, dataset = _table(name)
        table.dataset(dataset)


def _table(name: str) -> tuple[BenchmarkTable, str]:
    """Return the table and the data set of ``SPACE/DATASET``."""
    space, _, dataset = name.partition('/')
    if space not in TABLES:
        raise MeasureError(f'table:{name}: expected SPACE/DATASET, a space of {", ".join(TABLES)}')
    kind = TABLES[space]
    name, origin = next(iter(kind.sources.items()))  # others have shorter trainings
    return kind.load(find(kind.folder, {name: origin}, f'{space} table')), dataset


def _metrics(folder: Path, group: str) -> Mapping[str, Any]:
    """Return the metrics of a group, or of the last network that was trained."""
    results = (folder / 'retrain/result.json', folder / 'result.json')
    path = next((path for path in results if path.is_file()), folder / 'search.json')
    if not group and path.name == 'result.json':
        return read_json(path)['metrics']
    result = read_json(folder / 'search.json').get('result', {})
    return result.get(group or 'derived', {}).get('metrics', {})


def _metric(metrics: Mapping[str, Any], name: str, folder: Path) -> float:
    kind, _, rest = name.partition('/')
    if name in metrics:
        return _number(metrics[name], name)
    if kind == 'error' and f'accuracy/{rest}' in metrics:
        return 100 - _number(metrics[f'accuracy/{rest}'], name)
    known = ', '.join(metrics) or 'nothing'
    raise MeasureError(f'{folder}: no {name}; it has measured {known}')


def _entry(path: Path, keys: list[str]) -> Any:
    if not path.is_file():
        raise DamagedFileError(f'{path}: no such file')
    return _walk(parse(path.read_bytes()), keys, path)


def _walk(found: Any, keys: list[str], path: Path) -> Any:
    if not keys:
        return found
    key, *rest = keys
    if key == '*' and isinstance(found, dict) and found:
        return [_walk(value, rest, path) for value in found.values()]
    if isinstance(found, dict) and found.get('failed') and key not in found:
        return math.nan  # a search that found nothing
    if isinstance(found, list):
        fits = [one for one in found if isinstance(one, dict) and key in one.values()]
        if not fits:
            raise MeasureError(f'{path}: no entry with {key}')
        return _walk(fits[0], rest, path)
    if not isinstance(found, dict) or key not in found:
        known = ', '.join(map(str, found)) if isinstance(found, dict) else 'no object'
        raise MeasureError(f'{path}: no {key}; it has {known or "nothing"}')
    return _walk(found[key], rest, path)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MeasureError(f'{name}: expected a number, got {value!r:.80}')
    return float(value)
