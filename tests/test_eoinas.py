"""EoiNAS: prunings, what they cost, states and checkpoints, Table III."""

import copy
from typing import Any

import pytest
import torch
from drawn import build, run_epochs
from tasks import search_optimizers
from zoo import SPACES, count_multiplications, images

from ppnas_mm.algorithms.slimming import Slimming

# -- pruning ---------------------------------------------------------------------------------------


def test_the_papers_schedule_has_seven_prunings() -> None:
    assert [e for e in range(1, 161) if Slimming().due(e)] == [40, 60, 80, 100, 120, 140, 160]


def test_prunes_to_one_operation_an_edge_and_ranks_by_the_indicator_before() -> None:
    algorithm = build()
    optimizers = search_optimizers(algorithm)
    left = []
    for epoch in range(1, 9):
        run_epochs(algorithm, optimizers, range(epoch, epoch + 1))
        left.append(algorithm.table.alive().sum(1).unique().tolist())
    assert left == [[7], [6], [5], [4], [3], [2], [1], [1]] and int(algorithm.prunings) == 7
    genotype = algorithm.derive()
    ranking = dict(zip((c.name for c in algorithm.table.choices), algorithm.ranking, strict=True))
    for cell in genotype.cells:
        for number, edges in enumerate(cell.nodes, 2):
            scores = {}
            for source in range(number):
                name = f'{cell.name}/node{number}/op{source}'
                (last,) = algorithm.super_net.alive_candidates(name)
                assert algorithm.super_net.choices[name].candidates[last] != 'none'
                scores[source] = float(ranking[name][last])
            best = sorted(scores, key=lambda s: -scores[s])[:2]
            assert {e.sources[0] for e in edges} == set(best)


def test_edges_decided_at_different_prunings_keep_the_importance_of_their_last_choice() -> None:
    algorithm = build(slimming={'begin': 1, 'interval': 1, 'scope': 'all'})
    optimizers = search_optimizers(algorithm)
    last: dict[int, torch.Tensor] = {}
    for epoch in range(1, 40):
        alive = algorithm.table.alive().sum(1)
        run_epochs(algorithm, optimizers, range(epoch, epoch + 1), steps=1)
        for row in (alive > 1).nonzero().flatten().tolist():
            last[row] = algorithm.ranking[row].clone()
        if algorithm.decided:
            break
    assert algorithm.decided and epoch > 7
    for row, values in last.items():
        assert torch.equal(algorithm.ranking[row], values)
        assert int((values > 0).sum()) > 1
    assert float(algorithm.ranking.max()) < 1.5  # which a single operation has


def test_an_unfinished_slimming_is_told() -> None:
    algorithm = build()
    optimizers = search_optimizers(algorithm)
    run_epochs(algorithm, optimizers, range(1, 7), steps=1)
    (remark,) = algorithm.remarks()
    assert '28 of 28 choices have several' in remark
    run_epochs(algorithm, optimizers, range(7, 8), steps=1)
    assert not algorithm.remarks() and not build(slimming=False).remarks()


@pytest.mark.parametrize('space', sorted(SPACES))
def test_every_space_is_slimmed(space: str) -> None:
    algorithm = build(net=SPACES[space])
    optimizers = search_optimizers(algorithm)
    most = max(len(choice.candidates) for choice in algorithm.super_net.choices.values())
    run_epochs(algorithm, optimizers, range(1, 1 + most))
    assert algorithm.decided
    assert algorithm.derive(strict=False).space == space
    ranking = algorithm.details()['ranking']
    assert all(len(v) == len(algorithm.super_net.choices[n].candidates) for n, v in ranking.items())


def test_what_is_pruned_costs_nothing() -> None:
    algorithm = build(hard=False, slimming={'begin': 2, 'interval': 1})
    momentum = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}}
    optimizers = search_optimizers(algorithm, weights=momentum)
    x = images(1, 3, 16, 16)

    def costs() -> tuple[int, int, int, int, int]:
        optimizer = optimizers['weights'].optimizer
        algorithm.super_net.mixture = algorithm.draw(False)[0]
        return (
            count_multiplications(algorithm.super_net, x),
            sum(p.numel() for p in algorithm.parameters()),
            sum(p.numel() for g in optimizer.param_groups for p in g['params']),
            sum(s['momentum_buffer'].numel() for s in optimizer.state.values()),
            sum(v.numel() for v in algorithm.state_dict().values()),
        )

    run_epochs(algorithm, optimizers, range(1, 2))
    before = costs()
    architecture = sum(p.numel() for p in algorithm.arch_parameters().values())
    assert before[1] - architecture == before[2] == before[3]
    for epoch in range(2, 9):
        run_epochs(algorithm, optimizers, range(epoch, epoch + 1))
        after = costs()
        assert all(a < b for a, b in zip(after, before, strict=True))
        assert after[1] - architecture == after[2] == after[3]
        before = after
    # what is left of the edges: one operation each, its parameters counted by hand
    width = {'normal': [4], 'reduction': [8, 16]}
    own = 0
    for choice in algorithm.table.choices:
        op = choice.candidates[algorithm.super_net.alive_candidates(choice.name)[0]]
        for c in width[choice.cell]:
            k = 25 if '5x5' in op else 9
            own += {'sep': 2 * (k * c + c * c), 'dil': k * c + c * c}.get(op[:3], 0)
            if op == 'skip_connect' and choice.cell == 'reduction' and choice.source < 2:
                own += c * c
    blocks = [b for _, b in algorithm.super_net.blocks()]
    assert sum(p.numel() for b in blocks for p in b.parameters()) == own
    held = {op for b in blocks for pools in b.pools.values() for op in pools}
    kept = {c.candidates[algorithm.super_net.alive_candidates(c.name)[0]]
            for c in algorithm.table.choices}  # fmt: skip
    assert held == kept & {'max_pool_3x3', 'avg_pool_3x3'}


def test_a_state_continues_across_prunings() -> None:
    adam = {'optimizer': {'type': 'Adam', 'lr': 0.01}}
    momentum = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}}
    slimming = {'begin': 2, 'interval': 2}

    def start() -> tuple[Any, Any]:
        algorithm = build(seed=5, slimming=slimming)
        return algorithm, search_optimizers(algorithm, weights=momentum, arch=adam)

    whole, whole_optimizers = start()
    run_epochs(whole, whole_optimizers, range(1, 7))
    first, first_optimizers = start()
    run_epochs(first, first_optimizers, range(1, 4))
    second, second_optimizers = start()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second_optimizers.load_state_dict(copy.deepcopy(first_optimizers.state_dict()))
    run_epochs(second, second_optimizers, range(4, 7))
    ours, theirs = whole.state_dict(), second.state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
    assert whole.derive(strict=False) == second.derive(strict=False)


def test_moments_can_start_anew_after_a_pruning() -> None:
    adam = {'optimizer': {'type': 'Adam', 'lr': 0.01}}
    for keep, steps in ((True, 4), (False, 2)):
        slimming = {'begin': 1, 'interval': 1, 'keep_moments': keep}
        algorithm = build(slimming=slimming)
        optimizers = search_optimizers(algorithm, arch=adam)
        run_epochs(algorithm, optimizers, range(1, 3))
        states = optimizers['arch'].optimizer.state.values()
        assert {int(state['step']) for state in states} == {steps}


def test_states_and_comparisons_can_start_anew_after_a_pruning() -> None:
    for reset, known in ((False, 3), (True, 1)):
        algorithm = build(slimming={'begin': 2, 'interval': 1, 'reset': reset})
        run_epochs(algorithm, search_optimizers(algorithm), range(1, 3))
        assert int(algorithm.chain.known) == known
    same = build(slimming={'begin': 1, 'interval': 9, 'renormalise': False})
    run_epochs(same, search_optimizers(same), range(1, 2))
    torch.testing.assert_close(same.before, same.ranking)
    assert not torch.equal(same.before, same.current)


# -- Table III -------------------------------------------------------------------------------------


def test_without_slimming_the_indicator_decides() -> None:
    algorithm = build(slimming=False)
    optimizers = search_optimizers(algorithm)
    run_epochs(algorithm, optimizers, range(1, 10))
    assert algorithm.table.alive().all() and not algorithm.decided
    name = 'normal/node2/op0'
    row = [c.name for c in algorithm.table.choices].index(name)
    assert algorithm.decide(True)[name] == (int(algorithm.current[row, :7].argmax()),)


def test_without_both_it_is_gdas() -> None:
    """The same draws, losses and architecture parameters, and the same decision."""
    shared = {'temperature': {'epochs': 4, 'shape': 'linear', 'start': 10.0, 'end': 0.1}}
    options = {'slimming': False, 'indicator': {'kind': 'beta'}, 'init_std': 1e-3}
    one = build('EoiNAS', seed=2, **shared, **options)
    two = build('GDAS', seed=2, **shared)
    run_epochs(one, search_optimizers(one), range(1, 5))
    run_epochs(two, search_optimizers(two), range(1, 5))
    for name, parameter in two.arch_parameters().items():
        assert torch.equal(parameter, one.arch_parameters()[name])
    assert one.decide(True) == two.decide(True)


def test_the_warm_up_trains_the_weights_only() -> None:
    algorithm = build(warmup_epochs=1, slimming={'begin': 2})
    run_epochs(algorithm, search_optimizers(algorithm), range(1, 2))
    assert not any(p.any() for p in algorithm.arch_parameters().values())
    assert not algorithm.importance.trained.any() and not algorithm.details()
    assert algorithm.table.alive().all()


def test_records_what_the_pictures_need() -> None:
    algorithm = build()
    run_epochs(algorithm, search_optimizers(algorithm), range(1, 2))
    details = algorithm.details()
    assert set(details) == {'importance', 'live'}
    for table in details.values():
        assert table.keys() == algorithm.super_net.arch.keys()
        for values in table.values():
            assert len(values) == 8 and sum(v is None for v in values) == 1
    for values in algorithm.distribution().values():
        assert sum(values) == pytest.approx(1) and values.count(0.0) == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'temperature': {'shape': 'round'}}, 'temperature.shape'),
        ({'temperature': {'end': 0.0}}, 'expected 0 < end'),
        ({'warmup_epochs': -1}, 'warmup_epochs=-1'),
        ({'warmup_epochs': 3}, 'begin=1: within the 3 epochs of warm-up'),
        ({'slimming': {'interval': 0}}, 'below 1'),
        ({'slimming': {'scope': 'net'}}, 'scope'),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
