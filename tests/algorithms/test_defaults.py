"""What an algorithm does if it is not told: the papers' settings, and 'off' for what is our own."""

from dataclasses import FrozenInstanceError
from operator import attrgetter
from typing import Any

import pytest
from searches import build

from ppnas_mm.algorithms.eoinas.importance import OperationImportance
from ppnas_mm.algorithms.eoinas.markov import LiveDie
from ppnas_mm.algorithms.eoinas.slimming import Plan, Slimming
from ppnas_mm.algorithms.gdas import Temperature
from ppnas_mm.algorithms.selection import Evolution

UNSAID: dict[str, dict[str, Any]] = {
    'CDARTS': {
        'distill_weight': 1.0,
        'l1_weight': 5.0,
        'l1_epochs': 20,
        'l1_reduction': 'sum',
        'warmup_epochs': 0,
        'separate_epochs': 1,
        'joint_optimizer': 'evaluation',
        'distillation.ensemble': 'mean-of-losses',
        'distillation.temperature': 2.0,
    },
    'DARTS': {'order': 1, 'epsilon': 0.01, 'warmup_epochs': 0},
    'EoiNAS': {'slims': True},
    'GDAS': {'given_warmup': 0, 'hard': True},
    'PPNAS': {
        'zero_one_weight': 1.0,
        'connection_weight': 1.0,
        'l2_weight': 0.0005,
        'reduction': 'sum',
        'threshold': 0.9,
        'identities': 1,
    },
    'RandomSearch': {'free': False},
    'SENAS': {
        'first_epochs': 100,
        'stage_epochs': 5,
        'drop': 10,
        'max_stages': None,
        'finish_size': 1,
        'threshold': 50,
        'score': 'confidence_product',
        'models_per_op': 1000,
        'sampler': 'uniform',
        'scoring_sampler': 'uniform',
        'scoring_recalibrate_batches': 20,
        'snapshots.count': 5,
    },
    'SPOS': {
        'sampler': 'uniform',
        'snapshots.count': 1,
        'recalibrate_batches': 20,
        'eval_batches': None,
        'selection': {},
    },
    'TableSearch': {'method': 'evolution'},
    'ZeroCostSearch': {'largest': True, 'images': 64},
}
"""Attributes of each algorithm, built with what it needs."""


SEARCHED = {'PPNAS': 'ppconv', 'TableSearch': 'nasbench201'}


@pytest.mark.parametrize('name', UNSAID)
def test_an_algorithm_that_is_told_nothing(name: str) -> None:
    algorithm = build(name, SEARCHED.get(name, 'darts'))
    for path, expected in UNSAID[name].items():
        assert attrgetter(path)(algorithm) == expected, path


def test_parts_that_are_told_nothing() -> None:
    chain = LiveDie(2, 3)
    assert chain.against == 'edge'
    importance = OperationImportance(2, 3)
    assert (importance.kind, importance.weight, importance.scale) == ('paper', 0.5, 1.0)
    assert (importance.last, importance.in_epochs, importance.forget) == (False, True, False)
    assert Temperature() == Temperature(10.0, 0.1, 250, 'linear', 0)
    assert Evolution() == Evolution(50, 20, 10, 25, 25, 0.1, 250)
    slimming = Slimming()
    assert not slimming.none_first


def test_a_plan_does_not_change() -> None:
    plan: Any = Plan(warmup=1, begin=2, interval=3, step=1, last=8)
    with pytest.raises(FrozenInstanceError):
        plan.begin = 1
