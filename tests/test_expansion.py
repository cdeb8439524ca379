"""Merged choices and copies of weights (SE-NAS, Section 3.4), in every space."""

import copy
import math
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tasks import classifier, classifier_batch, search_optimizers
from test_spaces import derive, operations, prune_some
from torch import Tensor, nn
from zoo import SPACES, build_super_net, images

from ppnas_mm.algorithms import SearchAlgorithm
from ppnas_mm.spaces import Fixed
from ppnas_mm.spaces.expansion import Copies, merge

THRESHOLD = 12


def small(space: str, seed: int = 0, chance: float = 0.6, **overrides: Any) -> Any:
    """A super-net with few operations left."""
    net = build_super_net(space, seed, **overrides)
    prune_some(net, np.random.default_rng(3), chance)
    return net


def expanded(space: str, seed: int = 0, threshold: int = THRESHOLD, **overrides: Any) -> Any:
    """The same, merged, each copy with weights and statistics of its own."""
    net = small(space, seed, **overrides)
    net.expand(threshold)
    assert merged(net)
    return scatter(net)


def scatter(net: Any) -> Any:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if '.nodes.' in key and value.is_floating_point():
                value.mul_(0.5 + torch.rand(value.shape, generator=generator))
    return net


def merged(net: Any) -> list[tuple[str, ...]]:
    return [group for group in net.groups if len(group) > 1]


def some_paths(net: Any, number: int = 6) -> list[Any]:
    rng = np.random.default_rng(5)
    return [net.random_path(rng) for _ in range(number)]


def outputs(net: Any, paths: list[Any]) -> list[Tensor]:
    found = []
    for path in paths:
        net.mixture = Fixed(path)
        with torch.no_grad():
            found += net(images(2, 3, 16, 16))
    return found


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for one, two in zip(ours, theirs, strict=True):
        assert torch.equal(one, two)


def decisions(net: Any, name: str) -> list[str]:
    """What can be decided about an operation: one alive, or none where its edge may be left out."""
    choice = net.choices[name]
    found = [str(i) for i in net.alive_candidates(name)]
    for gates in net.choices.values():
        spot = (choice.cell, choice.node)
        if gates.gates and (gates.cell, gates.node) == spot and choice.source is not None:
            alive = net.alive_candidates(gates.name)
            dead = gates.candidates.index(str(choice.source)) not in alive
            if dead or len(alive) > gates.keep:
                found.append('x')
    return found


def models(net: Any, group: tuple[str, ...]) -> list[str]:
    """The partial models of a group."""
    return ['_'.join(model) for model in product(*(decisions(net, name) for name in group))]


def model_of(net: Any, group: tuple[str, ...], path: Any) -> str:
    """The partial model of a group that a path runs."""
    return '_'.join(str(path[name][0]) if name in path else 'x' for name in group)


def copies_of(net: Any, name: str) -> dict[str, list[str]]:
    """Keys of the copies in the places of a choice's operations, by place."""
    choice = net.choices[name]
    found = {}
    for where, block in net.blocks():
        if block.cell == choice.cell:
            place = f'{where}.nodes.{choice.node - block.inputs}'
            place += '' if choice.source is None else f'.{choice.source}'
            for i in net.alive_candidates(name):
                module = dict(net.named_modules()).get(f'{place}.{choice.candidates[i]}')
                if module is not None and module.state_dict():
                    copies = isinstance(module, Copies)
                    found[f'{place}.{choice.candidates[i]}'] = list(module) if copies else []
    return found


# -- merging ---------------------------------------------------------------------------------------


def test_the_toy_example_of_the_paper() -> None:
    """Fig. 3, T = 6: layers 2 to 4 and layers 5 and 6 are merged."""
    assert merge([4, 2, 1, 3, 3, 2], 6) == [[0], [1, 2, 3], [4, 5]]


def test_merging_is_greedy_from_shallow_to_deep() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        sizes, threshold = list(map(int, rng.integers(1, 8, 15))), int(rng.integers(1, 60))
        groups = merge(sizes, threshold)
        assert [i for group in groups for i in group] == list(range(15))
        products = [math.prod(sizes[i] for i in group) for group in groups]
        for k, group in enumerate(groups):
            assert len(group) == 1 or products[k] <= threshold
            if k + 1 < len(groups):  # it could not have taken the next one
                assert products[k] * sizes[groups[k + 1][0]] > threshold
    assert merge([], 3) == []


def test_choices_merge_by_what_is_alive(space: str) -> None:
    net = small(space)
    names = [choice.name for choice in operations(net)]
    assert net.groups == [(name,) for name in names]
    sizes = [len(decisions(net, name)) for name in names]
    assert net.group_sizes() == sizes
    net.expand(THRESHOLD)
    parts = merge(sizes, THRESHOLD)
    assert net.groups == [tuple(names[i] for i in part) for part in parts]
    assert net.group_sizes() == [math.prod(sizes[i] for i in part) for part in parts]
    assert merged(net)


def test_every_partial_model_has_its_own_weights(space: str) -> None:
    net = small(space)
    before = {name: p.numel() for name, p in net.named_parameters()}
    expected = sum(before.values())
    net.expand(THRESHOLD)
    for group in merged(net):
        for place, name in enumerate(group):
            left = len(models(net, group)) // len(decisions(net, name))  # P / n_l
            for where, keys in copies_of(net, name).items():
                own = str(net.choices[name].candidates.index(where.split('.')[-1]))
                wanted = [m for m in models(net, group) if m.split('_')[place] == own]
                assert keys == wanted and len(keys) == left
                size = sum(n for key, n in before.items() if key.startswith(f'{where}.'))
                expected += (left - 1) * size
    assert sum(p.numel() for p in net.parameters()) == expected > sum(before.values())
    pointers = [value.data_ptr() for value in net.state_dict().values()]
    assert len(set(pointers)) == len(pointers)
    # what has no weights is shared, and what is alone too
    for name, module in net.named_modules():
        if isinstance(module, Copies):
            assert module.state_dict(), name
    for group in net.groups:
        if len(group) == 1:
            assert not any(copies_of(net, group[0]).values())


# -- what it computes ------------------------------------------------------------------------------


def test_an_expansion_changes_no_path(space: str) -> None:
    net = small(space)
    paths = some_paths(net)
    before = outputs(net, paths)
    net.expand(THRESHOLD)
    assert_same(outputs(net, paths), before)
    state = copy.deepcopy(net.state_dict())
    net.expand(THRESHOLD)  # as far as it can be
    assert net.state_dict().keys() == state.keys()


def test_training_a_path_leaves_the_other_copies_alone(space: str) -> None:
    net = expanded(space).train()
    (path,) = some_paths(net, 1)
    before = copy.deepcopy(net.state_dict())
    net.mixture = Fixed(path)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    sum((m * m).mean() for m in net(images(2, 3, 16, 16))).backward()
    optimizer.step()
    moved = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    runs = 0
    for group in merged(net):
        own = model_of(net, group, path)
        for name in group:
            choice = net.choices[name]
            for where, keys in copies_of(net, name).items():
                on = name in path and choice.candidates[path[name][0]] == where.split('.')[-1]
                for key in keys:
                    touched = any(k.startswith(f'{where}.{key}.') for k in moved)
                    assert touched == (on and key == own), (where, key)
                    runs += touched
    assert runs


def test_derived_networks_have_the_copies_of_their_path(space: str) -> None:
    net = expanded(space)
    x = images(2, 3, 16, 16)
    results = []
    for path in some_paths(net):
        derived = derive(net, net.to_genotype(path))
        net.mixture = Fixed(path)
        results.append(net(x)[-1])
        for ours, theirs in zip(derived(x), net(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(results[0], results[1])


def test_recomputed_blocks_take_the_same_copies() -> None:
    gradients = []
    for with_cp in (False, True):
        net = expanded('chain', with_cp=with_cp).train()
        net.mixture = Fixed(some_paths(net, 1)[0])
        x = images(2, 3, 16, 16).requires_grad_()
        sum((m * m).mean() for m in net(x)).backward()
        gradients.append({n: p.grad for n, p in net.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert any('_' in part for key in gradients[0] for part in key.split('.')[4:5])
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient)


def test_a_copy_of_the_net_is_independent(space: str) -> None:
    net = expanded(space)
    paths = some_paths(net, 3)
    before = outputs(net, paths)
    twin = copy.deepcopy(net)
    assert_same(outputs(twin, paths), before)
    outputs(twin, paths[::-1])
    for value in twin.parameters():
        value.data.zero_()
    assert_same(outputs(net, paths), before)


# -- pruning and further stages --------------------------------------------------------------------


def test_pruning_deletes_the_partial_models_that_hold_it(space: str) -> None:
    net = expanded(space, threshold=40, chance=0.4)
    groups = net.groups
    for group in merged(net):
        name = next((n for n in group if len(net.keepable(n)) > 1), None)
        if name is not None:
            net.prune(name, net.keepable(name)[0])
    for gates in [c for c in net.choices.values() if c.gates]:  # connections go too
        alive = net.alive_candidates(gates.name)
        if len(alive) > (gates.keep or 1):
            net.prune(gates.name, alive[0])
    assert net.groups == groups
    for group in merged(net):
        for place, name in enumerate(group):
            for where, keys in copies_of(net, name).items():
                own = str(net.choices[name].candidates.index(where.split('.')[-1]))
                assert keys == [m for m in models(net, group) if m.split('_')[place] == own]


def test_pruning_changes_no_path_that_is_left(space: str) -> None:
    net = expanded(space, threshold=40, chance=0.4)
    twin = copy.deepcopy(net)
    prune_some(net, np.random.default_rng(1), 0.3)
    paths = some_paths(net)
    assert_same(outputs(net, paths), outputs(twin, paths))
    assert len(net.state_dict()) < len(twin.state_dict())


def test_further_stages_take_the_copies_of_their_partial_model(space: str) -> None:
    net = expanded(space, threshold=6)
    prune_some(net, np.random.default_rng(1), 0.3)
    paths, groups, sizes = some_paths(net), net.groups, net.group_sizes()
    before = outputs(net, paths)
    net.expand(50)
    assert_same(outputs(net, paths), before)
    # groups are merged, never split, by the product of their sizes
    parts = merge(sizes, 50)
    assert net.groups == [sum((groups[i] for i in part), ()) for part in parts]
    assert len(parts) < len(groups)


# -- checkpoints -----------------------------------------------------------------------------------


def test_an_expanded_state_loads_into_a_fresh_super_net(space: str) -> None:
    net = expanded(space, threshold=6)
    prune_some(net, np.random.default_rng(1), 0.3)
    net.expand(24)
    scatter(net)
    paths = some_paths(net)
    plain = build_super_net(space, seed=1)
    less = small(space, seed=2)
    less.expand(6)
    for other in (plain, less):
        whole = nn.Sequential(other)
        whole.load_state_dict(nn.Sequential(net).state_dict())
        assert other.groups == net.groups
        assert list(other.state_dict()) == list(net.state_dict())
        assert [n for n, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
        assert_same(outputs(other, paths), outputs(net, paths))


def test_a_less_expanded_state_is_refused(space: str) -> None:
    net, before = small(space), copy.deepcopy(small(space).state_dict())
    net.expand(THRESHOLD)
    after, groups = copy.deepcopy(net.state_dict()), net.groups
    with pytest.raises(RuntimeError, match=f'less expanded.*{merged(net)[0][0]}'):
        net.load_state_dict(before)
    assert net.groups == groups
    for key, value in net.state_dict().items():
        assert torch.equal(value, after[key])


def test_checkpoints_of_before_expansion_load(space: str) -> None:
    net, fresh = small(space), build_super_net(space, seed=1)
    state = net.state_dict()
    del state['merged']
    fresh.load_state_dict(state)
    assert_same(outputs(fresh, some_paths(net)), outputs(net, some_paths(net)))


# -- errors ----------------------------------------------------------------------------------------


def test_a_threshold_below_one_is_refused(super_net: Any) -> None:
    for call in (lambda: merge([2, 2], 0), lambda: super_net.expand(0)):
        with pytest.raises(ValueError, match='threshold=0'):
            call()


def test_a_merged_super_net_runs_single_paths_only(space: str) -> None:
    net = small(space)
    relaxed, (path,) = net.mixture, some_paths(net, 1)
    net.expand(THRESHOLD)
    several = [n for g in merged(net) for n in g if len(net.alive_candidates(n)) > 1]
    net.mixture = relaxed
    with pytest.raises(ValueError, match=f'{several[0]}.*single paths'):
        net(images(1, 3, 16, 16))
    name = next(n for g in merged(net) for n in g if n in path)
    dead = set(range(len(net.choices[name].candidates))) - set(net.alive_candidates(name))
    net.mixture = Fixed({**path, name: (min(dead, default=99),)})
    with pytest.raises(ValueError, match=re.escape(f'{name}: candidates ({min(dead)},)')):
        net(images(1, 3, 16, 16))


# -- optimizers ------------------------------------------------------------------------------------


class Plain(SearchAlgorithm):
    """Trains the path that it is given."""


SGD = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9, 'weight_decay': 0.01}}
ADAM = {'optimizer': {'type': 'AdamW', 'lr': 0.01}}
PARAMWISE = {**SGD, 'paramwise_cfg': {'norm_decay_mult': 0.0}}


def search(space: str, part: dict, seed: int = 0, prune: bool = True) -> tuple[Any, Any]:
    """An algorithm and its optimizers, a few operations pruned."""
    torch.manual_seed(seed)
    algorithm = Plain(classifier(dict(SPACES[space]))).train()
    optimizers = search_optimizers(algorithm, weights=part)
    if prune:
        prune_some(algorithm.super_net, np.random.default_rng(3), 0.6)
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


@pytest.mark.parametrize('part', [SGD, ADAM, PARAMWISE], ids=['sgd', 'adamw', 'paramwise'])
def test_copies_inherit_the_optimizers_state(space: str, part: dict) -> None:
    algorithm, optimizers = search(space, part)
    paths = some_paths(algorithm.super_net)
    train(algorithm, optimizers, paths)
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


@pytest.mark.parametrize('part', [SGD, PARAMWISE], ids=['sgd', 'paramwise'])
def test_a_resumed_search_goes_on_with_the_same_steps(space: str, part: dict) -> None:
    algorithm, optimizers = search(space, part)
    net = algorithm.super_net
    for threshold in (6, 24):
        train(algorithm, optimizers, some_paths(net, 2))
        prune_some(net, np.random.default_rng(1), 0.2)
        net.expand(threshold)
        optimizers.follow_model()
    train(algorithm, optimizers, some_paths(net, 2))
    assert merged(net)
    resumed, others = search(space, part, seed=1, prune=False)
    resumed.load_state_dict(copy.deepcopy(algorithm.state_dict()))
    others.load_state_dict(copy.deepcopy(optimizers.state_dict()))
    for one, two in ((algorithm, optimizers), (resumed, others)):
        train(one, two, some_paths(net), seed=70)
    expected = algorithm.state_dict()
    for key, value in resumed.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_two_expansions_before_the_optimizers_follow() -> None:
    algorithm, optimizers = search('chain', SGD)
    net = algorithm.super_net
    train(algorithm, optimizers, some_paths(net))
    before = copy.deepcopy(states(algorithm, optimizers))
    net.expand(6)
    late = search_optimizers(algorithm, weights=SGD)  # knows the copies already
    net.expand(50)
    parameters = [p for n, p in algorithm.named_parameters() if '.arch.' not in n]
    heirs = net.take_heirs()
    assert net.take_heirs() == {}
    for wrapper in (optimizers, late):
        net._heirs = dict(heirs)
        wrapper.follow_model()
        (group,) = wrapper['weights'].optimizer.param_groups
        assert group['params'] == parameters or all(
            a is b for a, b in zip(group['params'], parameters, strict=True)
        )
    for name, state in states(algorithm, optimizers).items():
        assert torch.equal(state['momentum_buffer'], before[parent_of(name)]['momentum_buffer'])
