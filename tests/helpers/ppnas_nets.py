"""Shared by the tests of ppnas and others."""

import random
from typing import Any

import torch
from tasks import classifier
from zoo import SPACES

from ppnas_mm.algorithms import PPNAS

STAGES = ('stage1', 'stage2', 'stage3')


Values = dict[str, list[float]]


PAPER_OPS = ('identity', 'conv_1x1', 'conv_3x3')


def ppnas(groups: int = 4, ops: tuple = PAPER_OPS, **kwargs: Any) -> PPNAS:
    backbone = {**SPACES['ppconv'], 'groups': groups, 'ops': ops}
    return PPNAS(classifier(backbone), **kwargs)


def randomise(algorithm: PPNAS, seed: int, scale: float = 2.0) -> Values:
    """Set random architecture parameters; return them as plain numbers."""
    rng = random.Random(seed)
    values = {}
    with torch.no_grad():
        for name, parameter in algorithm.arch_parameters().items():
            values[name] = [rng.gauss(0, scale) for _ in parameter]
            parameter.copy_(torch.tensor(values[name], dtype=parameter.dtype))
    return values
