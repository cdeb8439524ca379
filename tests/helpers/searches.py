"""Shared by the tests of algorithms and others."""

import copy
from typing import Any

import pytest
import torch
from made_tables import made_table
from tasks import classifier, classifier_batch
from zoo import SPACES, algorithms

from ppnas_mm.algorithms import CDARTS, SearchAlgorithm
from ppnas_mm.algorithms.bilevel import BilevelSearch
from ppnas_mm.registry import MODELS

REFUSAL = 'connection gates'  # what PPNAS says of a space that it cannot search
NO_TABLE = 'has no table'  # what TableSearch says of a space without a benchmark


def arguments(name: str, model: dict) -> dict[str, Any]:
    """What an algorithm has to be told about the model."""
    if name == 'EoiNAS':
        return {'warmup_epochs': 0}
    if name == 'ZeroCostSearch':  # the score that needs no data
        return {'score': 'synflow', 'draws': 2, 'input_shape': (3, 16, 16)}
    if name == 'TableSearch':
        space = getattr(MODELS.get(model['backbone']['type']), 'space', '')
        some = {'queries': 12, 'population': 4, 'sample': 2}
        return {'table': made_table(space), 'dataset': 'cifar10', **some}
    if name != 'CDARTS':
        return {}
    with torch.device('meta'):
        reductions = MODELS.build(copy.deepcopy(model['backbone'])).reduction_blocks
    return {'evaluation': {}, 'classes': 3, 'pools': [1] * len(reductions), 'l1_ops': ()}


def batch_for(algorithm: Any, batch: dict) -> dict[str, Any]:
    """The batch, or for bilevel algorithms one of each half."""
    return {'train': batch, 'val': batch} if isinstance(algorithm, BilevelSearch) else batch


def some_images(algorithm: Any, seed: int) -> dict[str, Any]:
    """Labelled images; CDARTS' heads need some pixels after every reduction."""
    size = 64 if isinstance(algorithm, CDARTS) else 16
    return batch_for(algorithm, classifier_batch(size=size, seed=seed))


def build(
    name: str, space: str, torch_seed: int = 0, config: dict | None = None, **kwargs: Any
) -> SearchAlgorithm:
    """Build a registered algorithm around a tiny classifier; skip where it refuses the space."""
    torch.manual_seed(torch_seed)
    model = classifier(SPACES[space]) if config is None else config
    try:
        given = {**arguments(name, model), **kwargs}
        return MODELS.build({'type': f'ppnas_mm.{name}', 'model': model, **given})
    except ValueError as error:
        if REFUSAL not in str(error) and NO_TABLE not in str(error):
            raise
        pytest.skip(str(error))


every_algorithm = pytest.mark.parametrize('name', algorithms())
