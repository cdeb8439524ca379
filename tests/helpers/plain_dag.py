"""Shared by the tests of mixed dag and others."""

import math
from typing import Any

import plain
import torch
from torch import Tensor

from ppnas_mm.spaces.darts import DARTS_OPS


def plain_dag(
    net: Any, state: plain.State, key: str, cell: str, states: list[Tensor], combine: str
) -> list[Tensor]:
    """Equation 1: node j is the sum over its inputs i and operations of softmax times operation.

    ``combine='mean'``: times one over the number of inputs.
    """
    values = list(states)
    for j in range(2, 6):
        total = torch.zeros(())
        for i in range(j):
            logits = net.arch[f'{cell}/node{j}/op{i}'].tolist()
            scale = sum(math.exp(v) for v in logits) * (j if combine == 'mean' else 1)
            stride = 2 if cell == 'reduction' and i < 2 else 1
            for op, logit in zip(DARTS_OPS, logits, strict=True):
                place = f'pools.{i}' if 'pool' in op else f'nodes.{j - 2}.{i}'
                y = plain.OPS[op](state, f'{key}{place}.{op}', values[i], stride, 1)
                total = total + math.exp(logit) / scale * y
        values.append(total)
    return values[2:]
