"""Every search space: paths and genotypes, derivation, random architectures, pruning."""

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from super_nets import allowed, derive, operations, prune_some, random_paths
from torch import nn
from zoo import SPACES, build_super_net, count_multiplications, images, registered

from ppnas_mm.genotype import SPACE_RULES, Genotype, GenotypeError, SpaceRule
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed, SuperNet


def unused(genotype: Genotype) -> list[tuple[str, int]]:
    """Input nodes that no edge reads."""
    found = []
    for cell in genotype.cells:
        read = {i for edges in cell.nodes for edge in edges for i in edge.sources}
        found += [(cell.name, i) for i in range(cell.inputs) if i not in read]
    return found


def degenerate(net: Any, genotype: Genotype) -> bool:
    """Whether an input is dropped where nodes read what they like, or an output is cut off."""
    for cell in genotype.cells:
        reached = set(range(cell.inputs))
        for node, edges in enumerate(cell.nodes, cell.inputs):
            if any(edge.op != 'none' and reached & set(edge.sources) for edge in edges):
                reached.add(node)
        if cell.inputs + len(cell.nodes) - 1 not in reached:
            return True
    free = any(choice.gates and choice.keep is None for choice in net.choices.values())
    return free and bool(unused(genotype))


def test_every_space_has_a_super_net() -> None:
    spaces = {cls.space for cls in registered(SuperNet).values()}
    assert sorted(SPACES) == sorted(SPACE_RULES) == sorted(spaces)


def test_the_mobile_space_has_21_blocks_unless_told_otherwise() -> None:
    """SE-NAS: six stages, four blocks each, one in the last."""
    with torch.device('meta'):
        net = MODELS.build({'type': 'ppnas_mm.MobileSuperNet'})
    depths = Counter(choice.cell for choice in net.choices.values())
    assert list(depths.values()) == [4, 4, 4, 4, 4, 1]


def test_architecture_starts_undecided(super_net: Any) -> None:
    parameters = super_net.arch_parameters()
    learned = {name: choice for name, choice in super_net.choices.items() if choice.learned}
    assert list(parameters) == list(learned)
    operations = []
    for name, choice in learned.items():
        assert parameters[name].shape == (len(choice.candidates),)
        assert parameters[name].requires_grad
        if choice.gates:
            assert (parameters[name] == 0).all()
        else:
            operations.append(parameters[name].detach())
    values = torch.cat(operations)
    assert 0.5e-3 < float(values.std()) < 2e-3
    assert float(values.abs().max()) < 1e-2
    owned = {id(p) for p in parameters.values()}
    assert owned <= {id(p) for p in super_net.parameters()}


def test_every_candidate_learns(super_net: Any) -> None:
    super_net.train()
    sum((m * m).mean() for m in super_net(images(2, 3, 16, 16))).backward()
    assert not [n for n, p in super_net.named_parameters() if p.grad is None]
    # an operation's weight always matters; a gate's does not where there is nothing to choose
    for name, parameter in super_net.arch_parameters().items():
        assert parameter.grad.abs().sum() > 0, name


# -- derivation ------------------------------------------------------------------------------------


def test_derived_networks_compute_the_one_hot_forward(super_net: Any) -> None:
    x = images(2, 3, 16, 16)
    for path in random_paths(super_net, 12):
        super_net.mixture = Fixed(path)
        derived = derive(super_net, super_net.to_genotype(path))
        with torch.no_grad():
            expected, outputs = super_net(x), derived(x)
        for ours, theirs in zip(outputs, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        assert count_multiplications(derived, x) == count_multiplications(super_net, x)
        assert derived.feature_info == super_net.feature_info


def test_derived_networks_keep_the_arguments(space: str) -> None:
    kwargs: dict[str, Any] = {
        'norm_cfg': {'type': 'GN', 'num_groups': 1},
        'act_cfg': {'type': 'SiLU'},
        'out_indices': (1,),
    }
    net = build_super_net(space, **kwargs)
    path = random_paths(net, 1)[0]
    net.mixture = Fixed(path)
    derived = derive(net, net.to_genotype(path))
    x = images(1, 3, 16, 16)
    assert len(derived(x)) == 1
    torch.testing.assert_close(derived(x), net(x))


def test_export_gives_copies(super_net: Any) -> None:
    genotype = super_net.to_genotype(random_paths(super_net, 1)[0])
    before = copy.deepcopy(super_net.state_dict())
    config, weights = super_net.export(genotype)
    for value in weights.values():
        assert not value.requires_grad
        value.zero_()
    config.clear()
    assert super_net.export(genotype)[0]
    for key, value in super_net.state_dict().items():
        assert torch.equal(value, before[key])


# -- paths and genotypes ---------------------------------------------------------------------------


def test_paths_and_genotypes_are_inverse(super_net: Any) -> None:
    genotypes = set()
    for path in random_paths(super_net, 20):
        genotype = super_net.to_genotype(path, {'note': 'x'})
        assert genotype.space == super_net.space
        assert genotype.provenance == {'note': 'x'}
        assert super_net.to_path(genotype) == path
        assert super_net.to_path(Genotype.from_json(genotype.to_json())) == path
        genotypes.add(genotype)
    assert len(genotypes) == 20


def test_random_genotypes_follow_the_seed_and_the_constraint(super_net: Any) -> None:
    def draw(seed: int, constrained: bool) -> list[Genotype]:
        rng = np.random.default_rng(seed)
        return [super_net.random_genotype(rng, constrained) for _ in range(30)]

    assert draw(3, True) == draw(3, True)
    assert draw(3, True) != draw(4, True)
    for genotype in draw(0, True):
        assert not degenerate(super_net, genotype)
        super_net.check(super_net.to_path(genotype))
    full = draw(0, False)
    assert len(set(full)) == 30
    for genotype in full:
        found = super_net.degeneracies(super_net.to_path(genotype))
        assert bool(found) == degenerate(super_net, genotype)


def test_random_genotypes_are_constrained_unless_told_otherwise() -> None:
    net = build_super_net('ppconv')
    drawn = [
        [net.random_genotype(np.random.default_rng(seed), *told) for seed in range(20)]
        for told in ((), (True,), (False,))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_random_genotypes_reach_every_candidate(super_net: Any) -> None:
    rng = np.random.default_rng(0)
    seen: dict[str, set[int]] = {name: set() for name in super_net.choices}
    for _ in range(150):
        for name, kept in super_net.to_path(
            super_net.random_genotype(rng, False, free=True)
        ).items():
            seen[name].update(kept)
    for name, choice in super_net.choices.items():
        assert seen[name] == set(allowed(super_net, choice)), name


def relabelled(genotype: Genotype, change: str) -> dict[str, Any]:
    """JSON form of a genotype that fits its space but not the super-net it came from."""
    data = genotype.to_dict()
    if change == 'a cell less':
        data['cells'].pop()
    elif change == 'a cell more':
        data['cells'].append({**copy.deepcopy(data['cells'][0]), 'name': 'one more'})
    elif change == 'another cell name':
        data['cells'][0]['name'] = 'elsewhere'
    elif change == 'a node less':
        data['cells'][-1]['nodes'].pop()
    elif change == 'a node more':
        data['cells'][-1]['nodes'].append(copy.deepcopy(data['cells'][-1]['nodes'][-1]))
    return data


CHANGES = ['a cell less', 'a cell more', 'another cell name', 'a node less', 'a node more']


@pytest.mark.parametrize('change', CHANGES)
def test_foreign_cells_are_refused(super_net: Any, change: str) -> None:
    genotype = super_net.to_genotype(random_paths(super_net, 1)[0])
    with pytest.raises(GenotypeError):
        super_net.to_path(Genotype.from_dict(relabelled(genotype, change)))


def test_a_foreign_space_is_refused(super_net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    genotype = super_net.to_genotype(random_paths(super_net, 1)[0])
    rule = SpaceRule(ops=set(SPACE_RULES[super_net.space].ops))
    monkeypatch.setitem(SPACE_RULES, 'foreign', rule)
    foreign = Genotype.from_dict({**genotype.to_dict(), 'space': 'foreign'})
    with pytest.raises(GenotypeError, match=f'{super_net.space}.*foreign'):
        super_net.to_path(foreign)


# -- pruning ---------------------------------------------------------------------------------------


def test_pruning_removes_an_operation_for_good(super_net: Any) -> None:
    rng = np.random.default_rng(1)
    x = images(1, 3, 16, 16)
    keys, convolutions = len(super_net.state_dict()), count_multiplications(super_net, x)
    for choice in operations(super_net):
        for candidate in map(int, rng.permutation(len(choice.candidates))[:-2]):
            super_net.prune(choice.name, candidate)
            assert candidate not in super_net.alive_candidates(choice.name)
        assert len(super_net.alive_candidates(choice.name)) == 2
    assert len(super_net.state_dict()) < keys
    assert count_multiplications(super_net, x) < convolutions
    assert all(torch.isfinite(m).all() for m in super_net(x))
    for choice, weights in super_net.mix().items():
        assert tuple(weights.kept) == super_net.alive_candidates(choice)
        assert float(weights.value.sum()) == pytest.approx(1)


def test_pruning_to_a_path_leaves_the_derived_network(super_net: Any) -> None:
    path = random_paths(super_net, 1)[0]
    derived = derive(super_net, super_net.to_genotype(path))
    for name, kept in path.items():
        for candidate in set(super_net.alive_candidates(name)) - set(kept):
            super_net.prune(name, candidate)
    # with the connections went the operations on them
    left = {name: super_net.alive_candidates(name) for name in super_net.choices}
    assert {name: kept for name, kept in left.items() if kept} == path
    own = sum(p.numel() for p in super_net.parameters())
    architecture = sum(p.numel() for p in super_net.arch_parameters().values())
    assert own - architecture == sum(p.numel() for p in derived.parameters())
    x = images(1, 3, 16, 16)
    super_net.mixture = Fixed(path)
    torch.testing.assert_close(super_net(x), derived(x), rtol=1e-5, atol=1e-5)


def test_the_last_candidate_and_a_dead_one_cannot_be_pruned(super_net: Any) -> None:
    for name, choice in super_net.choices.items():
        *others, last = allowed(super_net, choice)
        kept = [*others, last][-(choice.keep or 1) :]
        if not super_net.alive_candidates(name):  # the operation of an edge that was pruned
            kept = []
        for candidate in range(len(choice.candidates)):
            if kept and candidate not in kept:
                super_net.prune(name, candidate)
            with pytest.raises(ValueError, match=name):
                super_net.prune(name, candidate)
        assert list(super_net.alive_candidates(name)) == kept
    genotype = super_net.random_genotype(np.random.default_rng(0), constrained=False)
    net_path = {n: super_net.alive_candidates(n) for n in super_net.choices}
    assert super_net.to_path(genotype).items() <= net_path.items()


def test_a_pruned_state_loads_into_a_fresh_super_net(space: str) -> None:
    net, fresh = build_super_net(space, seed=0), build_super_net(space, seed=1)
    prune_some(net, np.random.default_rng(2), 0.6)
    fresh.load_state_dict(net.state_dict())
    for name in net.choices:
        assert fresh.alive_candidates(name) == net.alive_candidates(name)
    x = images(2, 3, 16, 16)
    torch.testing.assert_close(fresh(x), net(x), rtol=0, atol=0)
    # the same as a part of a larger model
    whole, other = nn.Sequential(net), nn.Sequential(build_super_net(space, seed=3))
    other.load_state_dict(whole.state_dict())
    torch.testing.assert_close(other(x), whole(x), rtol=0, atol=0)


def test_an_unpruned_state_does_not_load_into_a_pruned_super_net(space: str) -> None:
    net, whole = build_super_net(space), build_super_net(space)
    choice = operations(net)[0]
    net.prune(choice.name, 1)
    with pytest.raises(RuntimeError):
        net.load_state_dict(whole.state_dict())
    # what it says of itself stays true
    twin = build_super_net(space)
    twin.load_state_dict(net.state_dict())
    assert twin.alive_candidates(choice.name) == net.alive_candidates(choice.name)


def test_random_paths_of_a_pruned_super_net_are_alive(super_net: Any) -> None:
    rng = np.random.default_rng(4)
    prune_some(super_net, rng, 0.6)
    for _ in range(30):
        path = super_net.random_path(rng)
        for name, kept in path.items():
            assert kept and set(kept) <= set(super_net.alive_candidates(name)), name
        assert super_net.to_path(super_net.to_genotype(path)) == path
