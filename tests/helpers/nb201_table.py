"""Shared by the tests of nasbench201 table and others."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
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
