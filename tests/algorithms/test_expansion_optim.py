"""Optimizers of a super-net that is expanded: copies inherit state, and resumed steps are equal."""

import copy
import re
from typing import Any

import numpy as np
import torch
from expanded import THRESHOLD, config, merged, some_paths
from super_nets import prune_some
from tasks import classifier, classifier_batch, search_optimizers
from torch import Tensor

from ppnas_mm.algorithms import SearchAlgorithm
from ppnas_mm.spaces import Fixed


class Plain(SearchAlgorithm):
    """Trains the path that it is given."""


SGD = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9, 'weight_decay': 0.01}}
ADAM = {'optimizer': {'type': 'AdamW', 'lr': 0.01}}
PARAMWISE = {**SGD, 'paramwise_cfg': {'norm_decay_mult': 0.0}}


def search(space: str, part: dict, seed: int = 0, prune: bool = True) -> tuple[Any, Any]:
    """An algorithm and its optimizers, a few operations pruned."""
    torch.manual_seed(seed)
    algorithm = Plain(classifier(config(space))).train()
    optimizers = search_optimizers(algorithm, weights=part)
    if prune:
        prune_some(algorithm.super_net, np.random.default_rng(3), 0.4)
        optimizers.follow_model()
    return algorithm, optimizers


def train(algorithm: Any, optimizers: Any, paths: list[Any], seed: int = 0) -> None:
    for step, path in enumerate(paths):
        algorithm.super_net.mixture = Fixed(path)
        algorithm.train_step(classifier_batch(seed=seed + step), optimizers)


def states(algorithm: Any, optimizers: Any) -> dict[str, dict[str, Tensor]]:
    """The optimizer's state of every parameter that has one, by the parameter's name."""
    state = optimizers['weights'].optimizer.state
    return {n: state[p] for n, p in algorithm.named_parameters() if p in state}


def parent_of(key: str) -> str:
    """A parameter's name without the part that names a copy."""
    return re.sub(r'\.[0-9x]+(_[0-9x]+)+\.', '.', key)


def test_copies_inherit_the_optimizers_state(space: str) -> None:
    algorithm, optimizers = search(space, PARAMWISE)
    train(algorithm, optimizers, some_paths(algorithm.super_net, 3))
    before = copy.deepcopy(states(algorithm, optimizers))
    groups = optimizers['weights'].optimizer.param_groups
    names = {p: n for n, p in algorithm.named_parameters()}
    place = {names[p]: i for i, group in enumerate(groups) for p in group['params']}
    algorithm.super_net.expand(THRESHOLD)
    optimizers.follow_model()
    after = states(algorithm, optimizers)
    names = {p: n for n, p in algorithm.named_parameters()}
    assert {parent_of(n) for n in after} == before.keys() and len(after) > len(before)
    for name, state in after.items():
        assert state.keys() == before[parent_of(name)].keys()
        for key, value in before[parent_of(name)].items():
            assert torch.equal(torch.as_tensor(state[key]), torch.as_tensor(value))
    buffers = [v.data_ptr() for s in after.values() for v in s.values() if torch.is_tensor(v)]
    assert len(set(buffers)) == len(buffers)
    # everybody is in one group, that of the parent, in the model's order, and nobody is left over
    assert len(groups) == len(optimizers['weights'].optimizer.param_groups)
    order = [n for n in names.values() if '.arch.' not in n]
    for i, group in enumerate(groups):
        mine = [names[p] for p in group['params']]
        assert mine == [n for n in order if place[parent_of(n)] == i]
    assert optimizers['weights'].optimizer.state.keys() <= names.keys()


def test_a_step_after_the_expansion_is_that_of_the_shared_weights(space: str) -> None:
    weights = []
    for threshold in (1, THRESHOLD):
        algorithm, optimizers = search(space, SGD)
        net = algorithm.super_net
        paths = some_paths(net)
        train(algorithm, optimizers, paths)
        if threshold > 1:
            net.expand(threshold)
            optimizers.follow_model()
        before = net.export(net.to_genotype(paths[0]))[1]
        train(algorithm, optimizers, paths[:1], seed=50)
        weights.append(net.export(net.to_genotype(paths[0]))[1])
    assert weights[0].keys() == weights[1].keys()
    assert any(not torch.equal(weights[1][key], value) for key, value in before.items())
    for key, value in weights[0].items():
        assert torch.equal(weights[1][key], value), key


def test_a_resumed_search_goes_on_with_the_same_steps(space: str) -> None:
    algorithm, optimizers = search(space, SGD)
    net = algorithm.super_net
    for threshold in (6, 24):
        train(algorithm, optimizers, some_paths(net, 2))
        prune_some(net, np.random.default_rng(1), 0.2)
        net.expand(threshold)
        optimizers.follow_model()
    train(algorithm, optimizers, some_paths(net, 2))
    assert merged(net)
    resumed, others = search(space, SGD, seed=1, prune=False)
    resumed.load_state_dict(copy.deepcopy(algorithm.state_dict()))
    others.load_state_dict(copy.deepcopy(optimizers.state_dict()))
    for one, two in ((algorithm, optimizers), (resumed, others)):
        train(one, two, some_paths(net, 3), seed=70)
    expected = algorithm.state_dict()
    for key, value in resumed.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_two_expansions_before_the_optimizers_follow() -> None:
    algorithm, optimizers = search('chain', ADAM)
    net = algorithm.super_net
    train(algorithm, optimizers, some_paths(net, 3))
    before = copy.deepcopy(states(algorithm, optimizers))
    net.expand(6)
    late = search_optimizers(algorithm, weights=ADAM)  # knows the first copies already
    net.expand(50)
    heirs = net.take_heirs()
    assert heirs and net.take_heirs() == {}
    expected = [id(p) for n, p in algorithm.named_parameters() if '.arch.' not in n]
    for wrapper in (optimizers, late):
        net._heirs = dict(heirs)
        wrapper.follow_model()
        (group,) = wrapper['weights'].optimizer.param_groups
        assert [id(p) for p in group['params']] == expected
    after = states(algorithm, optimizers)
    assert {parent_of(name) for name in after} == before.keys() and len(after) > len(before)
    for name, state in after.items():
        for key, value in before[parent_of(name)].items():
            assert torch.equal(state[key], value)
