"""Shared by the tests of expansion and others."""

from typing import Any

import numpy as np
from zoo import SPACES

from ppnas_mm.genotype import SPACE_RULES

THRESHOLD = 12


def config(space: str) -> dict[str, Any]:
    """The tests' super-net of a space, with every second operation where it has many."""
    ops = SPACES[space].get('ops') or tuple(sorted(SPACE_RULES[space].ops))
    return {**SPACES[space], 'ops': ops[::2] if len(ops) > 5 else ops}


def merged(net: Any) -> list[tuple[str, ...]]:
    return [group for group in net.groups if len(group) > 1]


def some_paths(net: Any, number: int = 6) -> list[Any]:
    rng = np.random.default_rng(5)
    return [net.random_path(rng) for _ in range(number)]
