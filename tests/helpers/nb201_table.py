"""Shared by the tests of nasbench201 table and others."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from nb201 import OPS, text_of
from tool import ROOT


def table_file(name: str) -> Path:
    for folder in (ROOT / 'data/nasbench201', ROOT.parent / 'shared/data/nasbench201'):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f'needs {name} in data/nasbench201')


def brute_tau(a: list[float], b: list[float]) -> float:
    agree = first = second = 0
    for i, j in itertools.combinations(range(len(a)), 2):
        u, v = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
        agree, first, second = agree + u * v, first + abs(u), second + abs(v)
    return agree / math.sqrt(first * second)


def small_table(path: Path, number: int = 12) -> list[tuple[str, float]]:
    """Write a table of ``number`` random cells, some of equal accuracy."""
    rng = np.random.default_rng(1)
    cells = [text_of(rng.choice(OPS[1:], 6)) for _ in range(number)]
    rows = [(cell, float(rng.integers(10, 20))) for cell in dict.fromkeys(cells)]
    lines = ['index,arch,cifar10-test', *(f'{i},{c},{v}' for i, (c, v) in enumerate(rows))]
    path.write_text('\n'.join(lines) + '\n')
    return rows


def brute_signed_rank(differences: list[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, over every choice of signs."""
    sizes = [abs(d) for d in differences if d]
    ranks = [sum(o < s for o in sizes) + (sizes.count(s) + 1) / 2 for s in sizes]
    seen = sum(r for r, d in zip(ranks, [d for d in differences if d], strict=True) if d > 0)
    sums = [
        sum(r for r, up in zip(ranks, signs, strict=True) if up)
        for signs in itertools.product((False, True), repeat=len(ranks))
    ]
    tails = sum(s <= seen for s in sums), sum(s >= seen for s in sums)
    return min(1.0, 2 * min(tails) / len(sums))
