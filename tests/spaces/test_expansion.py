"""Merged choices and copies of weights (SE-NAS, Section 3.4), in every space."""

import copy
import math
import re
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from expanded import THRESHOLD, config, merged, some_paths
from super_nets import derive, operations, prune_some
from torch import Tensor, nn
from zoo import SPACES, build_super_net, images

from ppnas_mm.spaces import Fixed
from ppnas_mm.spaces.expansion import Copies, merge


@cache
def built(space: str, seed: int = 0, **overrides: Any) -> Any:
    return build_super_net(space, seed, **{**config(space), **overrides})


def small(space: str, seed: int = 0, chance: float = 0.4, **overrides: Any) -> Any:
    """A super-net with few operations left."""
    net = copy.deepcopy(built(space, seed, **overrides))
    prune_some(net, np.random.default_rng(3), chance)
    return net


def expanded(space: str, seed: int = 0, threshold: int = THRESHOLD, **overrides: Any) -> Any:
    """The same, merged, each copy with weights and statistics of its own."""
    net = small(space, seed, **overrides)
    net.expand(threshold)
    assert merged(net)
    return scatter(net)


def scatter(net: Any) -> Any:
    """Give every weight and statistic of a candidate another size."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if '.nodes.' in key and value.is_floating_point():
                value.mul_(0.5 + torch.rand(value.shape, generator=generator))
    return net


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
    assert any(not torch.allclose(results[0], other) for other in results)


def test_recomputed_blocks_take_the_copies_of_their_own_forward(space: str) -> None:
    gradients = []
    for with_cp in (False, True):
        net = expanded(space, with_cp=with_cp).double().train()
        x = images(2, 3, 16, 16, dtype=torch.float64)
        loss: Any = 0
        for path in some_paths(net, 2):  # two forwards, then one backward pass through both
            net.mixture = Fixed(path)
            loss = loss + sum((m * m).mean() for m in net(x))
        chosen = {n: m.active for n, m in net.named_modules() if isinstance(m, Copies)}
        loss.backward()
        assert chosen == {n: m.active for n, m in net.named_modules() if isinstance(m, Copies)}
        gradients.append({n: p.grad for n, p in net.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert any(re.search(r'\.\w+_\w+\.', key) for key in gradients[0])
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
    net = expanded(space, threshold=40, chance=0.2)
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
    net = expanded(space, threshold=40, chance=0.2)
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
    plain = copy.deepcopy(built(space, seed=1))
    less = small(space, seed=2)
    less.expand(6)
    for other in (plain, less):
        whole = nn.Sequential(other)
        whole.load_state_dict(nn.Sequential(net).state_dict())
        assert other.groups == net.groups
        assert list(other.state_dict()) == list(net.state_dict())
        assert [n for n, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
        assert_same(outputs(other, paths), outputs(net, paths))


def test_a_damaged_state_does_not_fill_the_memory() -> None:
    net = build_super_net('chain', 0, **{**SPACES['chain'], 'depths': (4, 4, 4, 4, 4)})
    state = net.state_dict()
    state['merged'] = torch.zeros_like(state['merged'])  # 6^20 partial models
    with pytest.raises(RuntimeError, match=r'20 choices merged have .* damaged'):
        net.load_state_dict(state)


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
    net, fresh = small(space), copy.deepcopy(built(space, seed=1))
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
    decided = [n for g in merged(net) for n in g if n in path]
    dead = {n: set(range(len(net.choices[n].candidates))) for n in decided}
    dead = {n: left - set(net.alive_candidates(n)) for n, left in dead.items()}
    name = next(n for n in decided if dead[n])
    candidate = min(dead[name])
    net.mixture = Fixed({**path, name: (candidate,)})
    with pytest.raises(ValueError, match=re.escape(f'{name}: candidates ({candidate},)')):
        net(images(1, 3, 16, 16))
