"""Tables of benchmarks with made-up numbers, for spaces that have a table."""

import atexit
import itertools
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from nb201 import OPS, text_of

NAMES = {'nasbench201': 'nb201_12epoch_accs.csv', 'nasbench-macro': 'nas-bench-macro_cifar10.json'}
SETS = ('cifar10-val', 'cifar10-test')


def cells_of(space: str) -> list[str]:
    """The strings of all architectures of a space."""
    if space == 'nasbench201':
        return [text_of(ops) for ops in itertools.product(OPS, repeat=6)]
    return [''.join(digits) for digits in itertools.product('012', repeat=8)]


def write_cells(path: Path, scores: dict[str, tuple[float, ...]], sets: tuple[str, ...]) -> None:
    """Write accuracies of NAS-Bench-201 cells as CSV."""
    lines = [','.join((cell, *map(repr, values))) for cell, values in scores.items()]
    path.write_text('\n'.join([','.join(('arch', *sets)), *lines]) + '\n')


def write_macro(path: Path, scores: dict[str, tuple[float, ...]]) -> None:
    """Write three accuracies of NAS-Bench-Macro networks as JSON."""
    data = {
        key: dict(
            test_acc=list(values),
            mean_acc=sum(values) / 3,
            std=float(np.std(values)),
            params=1000 + i,
            flops=2000 + i,
        )
        for i, (key, values) in enumerate(scores.items())
    }
    path.write_text(json.dumps(data))


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix='ppnas_tables_'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def made_scores(space: str) -> dict[str, tuple[float, ...]]:
    """Random accuracies of all architectures: of two data sets, or of three trainings."""
    rng, columns = np.random.default_rng(7), 2 if space == 'nasbench201' else 3
    cells = cells_of(space)
    values = rng.uniform(20, 90, (len(cells), columns)).tolist()
    return {cell: tuple(row) for cell, row in zip(cells, values, strict=True)}


@cache
def made_table(space: str) -> str:
    """A table file of a space; for one without a table the name of no file."""
    if space not in NAMES:
        return 'no.such.table'
    path = _folder() / NAMES[space]
    if space == 'nasbench201':
        write_cells(path, made_scores(space), SETS)
    else:
        write_macro(path, made_scores(space))
    return str(path)
