"""how_a_search_runs.md counts every file of ours that runs on the way to ``genotype.json``."""

import os
import re
import subprocess
import sys
from functools import lru_cache

import pytest
from tool import ROOT

PAGE = ROOT / 'docs/explanation/how_a_search_runs.md'
SMALL = [
    'train_dataloader.dataset.indices=64',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=40',
]
RESNET = ['backbone.base_channels=8', 'backbone.stem_channels=8', 'head.in_channels=128']
SEARCHES = {
    'PP-NAS': [
        'configs/search/ppnas_digits.py',
        *SMALL,
        *(f'model.model.{option}' for option in RESNET),
        'train_cfg.max_epochs=1',
        'model.threshold=0.01',
    ],
    'CDARTS': [
        'configs/search/cdarts_digits.py',
        *SMALL,
        'train_cfg.max_epochs=2',
        'model.warmup_epochs=0',
    ],
}
GROUPS = {
    'the search': ('algorithms', 'spaces', 'backbones', 'layers', 'genotype.py', 'search.py'),
    'its run': ('engine', 'costs'),
    'pictures': ('visualize',),
    'in every command': (
        'cli',
        'config',
        'datasets',
        'utils',
        'weights',
        'registry.py',
        'zoo',
        '__init__.py',
    ),
}


@lru_cache
def traced(name: str) -> dict[str, int]:
    """Lines of the functions that ran, by file."""
    command = [sys.executable, str(ROOT / 'tests/helpers/trace_search.py'), *SEARCHES[name]]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1500:]
    return {file: int(n) for file, n in re.findall(r'^ran (\S+) (\d+)$', done.stdout, re.M)}


def group(file: str) -> str:
    place = file.split('/')[1]
    (found,) = (name for name, places in GROUPS.items() if place in places)
    return found


def counted(name: str) -> dict[str, tuple[int, int]]:
    """Files and lines of each group."""
    files = traced(name)
    return {
        key: (len(own), sum(own.values()))
        for key in GROUPS
        for own in [{f: n for f, n in files.items() if group(f) == key}]
    }


@pytest.mark.parametrize('name', SEARCHES)
def test_the_page_counts_what_runs(name: str) -> None:
    head, _, *rows = re.search(
        r'^\| rooms \|.*\n(?:\|.*\n)+', PAGE.read_text(), re.M
    )[0].strip().split('\n')  # fmt: skip
    column = [cell.strip() for cell in head.strip('|').split('|')].index(f'{name}: files')
    found = counted(name)
    assert len(rows) == len(GROUPS)
    for row, (files, lines) in zip(rows, found.values(), strict=True):
        cells = [cell.strip().replace(',', '') for cell in row.strip('|').split('|')]
        told = int(cells[column]), int(cells[column + 1])
        spare = 1 if row is rows[-1] else 0  # the guards act where a library needs them
        assert abs(told[0] - files) <= spare, (name, found)
        assert told[1] == pytest.approx(lines, rel=0.05 + spare * 0.1), (name, found)


def test_the_search_itself_stays_short() -> None:
    """What a reader of an algorithm meets; it may shrink, and not grow."""
    assert counted('PP-NAS')['the search'][0] <= 16
    assert counted('PP-NAS')['the search'][1] <= 1_310
    assert counted('CDARTS')['the search'][0] <= 20
    assert counted('CDARTS')['the search'][1] <= 1_810
