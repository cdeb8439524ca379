"""Studies with made-up searches: a tool that only writes what a search would write."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from made_tables import cells_of, write_cells
from small_searches import write_search

from ppnas_mm.study import Plan, load_plan
from ppnas_mm.study.searches import settings_of_rows
from ppnas_mm.tables import NASBench201Table
from ppnas_mm.utils.files import write_json

SETS = {
    'CIFAR10TestAccuracy200Epochs': 'cifar10-test',
    'CIFAR100TestAccuracy200Epochs': 'cifar100-test',
    'ImageNetTestAccuracy200Epochs': 'imagenet16-test',
}
"""Columns of ``nats_bench_tss_200ep.csv``."""

ROWS = {'one': 'naswot', 'two': 'params'}

TOOL = '''"""Stands in for tools/search.py: the seed and the config decide what it finds."""
import argparse, os, pathlib, shutil, sys, time
parser = argparse.ArgumentParser()
parser.add_argument('config')
for name in ('--seed', '--seeds', '--work-dir'):
    parser.add_argument(name)
parser.add_argument('--resume', action='store_true')
parser.add_argument('--cfg-options', nargs='+')
args = parser.parse_args()
here, folder = pathlib.Path(__file__).parent, pathlib.Path(args.work_dir)
with open(here / 'calls.log', 'a') as log:
    print(*sys.argv[1:], file=log)
name = f'{pathlib.Path(args.config).stem}-{args.seed or args.seeds}'
time.sleep(float(os.environ.get('STUDY_PAUSE', 0)))
if (here / f'{name}.error').exists():
    print((here / f'{name}.error').read_text())
    sys.exit(1)
for file in ('genotype.json', 'search.json'):
    shutil.copy(here / f'{name}.{file}', folder / file)
'''


@cache
def accuracies() -> dict[str, tuple[float, float, float]]:
    """Random accuracies of all cells on three data sets, some of them equal."""
    rng = np.random.default_rng(11)
    cells = cells_of('nasbench201')
    values = rng.uniform(10, 95, (len(cells), 3)).round(1).tolist()
    return {cell: tuple(row) for cell, row in zip(cells, values, strict=True)}


def write_table(folder: Path) -> Path:
    """Write a table in the format of ``nats_bench_tss_200ep.csv``."""
    path = folder / 'nats_bench_tss_200ep.csv'
    write_cells(path, accuracies(), tuple(SETS))
    text = path.read_text()
    path.write_text(text.replace('arch,', 'ArchitectureString,', 1))
    return path


def write_plan(folder: Path, rows: dict[str, Any], **others: Any) -> Path:
    """Write a study over a made-up table."""
    table = folder / 'nats_bench_tss_200ep.csv'
    if not table.is_file():
        write_table(folder)
    path = folder / 'study.yml'
    data = {'space': 'nasbench201', 'table': str(table), 'rows': rows, **others}
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def made_plan(folder: Path, names: dict[str, str], **others: Any) -> Plan:
    """A study of tiny searches: rows by name, each with one of ``small_searches``."""
    rows = {row: {'config': str(write_search(kind, folder))} for row, kind in names.items()}
    return load_plan(write_plan(folder, rows, **others))


def some_cells(number: int, seed: int) -> list[str]:
    """Different random cells."""
    cells = cells_of('nasbench201')
    return [cells[i] for i in np.random.default_rng(seed).permutation(len(cells))[:number]]


def record_of(path: list[str]) -> dict[str, Any]:
    """The record of a search whose strongest operations are these cells, epoch by epoch."""
    ops = ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3']
    names = [f'cell/node{node}/op{source}' for node in (1, 2, 3) for source in range(node)]
    epochs = []
    for epoch, cell in enumerate(path, 1):
        chosen = [edge.split('~')[0] for edge in cell.replace('+', '').split('|') if edge]
        weights = {
            name: [0.9 if op == best else 0.025 for op in ops]
            for name, best in zip(names, chosen, strict=True)
        }
        epochs.append({'epoch': epoch, 'architecture': weights})
    choices = {name: {'candidates': ops, 'gates': False} for name in names}
    return {'space': 'nasbench201', 'choices': choices, 'epochs': epochs}


def write_result(plan: Plan, place: Path, path: list[str], seconds: float = 2.0) -> None:
    """Write what a finished search of a study leaves: the last of the cells is found."""
    (place / 'search').mkdir(parents=True)
    settings = settings_of_rows(plan, place.parent.parent)[place.parent.name]
    write_json(place / 'done.json', dict(settings=settings, core_seconds=seconds, failed=''))
    NASBench201Table.decode(path[-1]).save(place / 'search/genotype.json')
    (place / 'search/search.json').write_text(json.dumps(record_of(path)))


def write_tool(folder: Path, found: dict[str, str]) -> Path:
    """Write the made-up tool: what it finds by ``CONFIG-SEED``; ``error: ...`` instead fails."""
    for name, cell in found.items():
        if cell.startswith('error'):
            (folder / f'{name}.error').write_text(cell)
            continue
        NASBench201Table.decode(cell).save(folder / f'{name}.genotype.json')
        (folder / f'{name}.search.json').write_text(json.dumps(record_of([cell])))
    (folder / 'made_search.py').write_text(TOOL)
    return folder / 'made_search.py'


def found_by_seed(seeds: tuple[int, ...] = (0, 1)) -> dict[str, str]:
    """What the made-up searches find."""
    names = [f'{kind}-{seed}' for kind in ROWS.values() for seed in seeds]
    return dict(zip(names, some_cells(len(names), 3), strict=True))


def calls(folder: Path) -> list[list[str]]:
    """Arguments of the searches that were run."""
    log = folder / 'calls.log'
    return [line.split() for line in log.read_text().splitlines()] if log.is_file() else []
