"""EoiNAS: prunings, what they cost, states and checkpoints, Table III."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn import NET, build, run_epochs
from tasks import search_optimizers
from tool import ROOT, call
from zoo import SPACES, count_multiplications, images

from ppnas_mm.algorithms.eoinas.slimming import Slimming

NB201 = {'type': 'ppnas_mm.NASBench201SuperNet', 'cells_per_stage': 1, 'init_channels': 4}

# -- pruning ---------------------------------------------------------------------------------------


def test_the_papers_schedule_has_seven_prunings() -> None:
    plan = Slimming().plan(160, 7, None, 1)
    assert [e for e in range(1, 161) if plan.due(e)] == [40, 60, 80, 100, 120, 140, 160]
    assert [e for e in range(1, 161) if plan.steps(e)] == list(range(21, 161))
    paper = Slimming().plan(160, 7, None, None)  # its step is a pruning
    assert [e for e in range(1, 161) if paper.steps(e)] == [40, 60, 80, 100, 120, 140, 160]


@pytest.mark.parametrize(
    ('net', 'epochs', 'warmup', 'prunings'),
    [
        (NET, 160, 20, [40, 60, 80, 100, 120, 140, 160]),
        (NET, 96, 12, [24, 36, 48, 60, 72, 84, 96]),
        (NET, 40, 5, [10, 15, 20, 25, 30, 35, 40]),
        (NET, 30, 9, [12, 15, 18, 21, 24, 27, 30]),  # 30 is no multiple of 8: a longer warm-up
        (NB201, 250, 50, [100, 150, 200, 250]),
    ],
)
def test_one_number_of_epochs_moves_the_whole_schedule(
    net: dict, epochs: int, warmup: int, prunings: list[int]
) -> None:
    for slimming in (True, False):
        algorithm = build(net=net, warmup_epochs=None, slimming=slimming)
        algorithm.attach({}, epochs)
        uses = []
        for epoch in range(1, epochs + 1):
            algorithm.before_epoch(epoch)
            uses.append(algorithm.uses)
            n = max(0, epoch - 1 - warmup)
            falls = 5.0 * (5 * 0.965**139 / 5) ** (n / (epochs - 1 - warmup))
            assert algorithm.now == pytest.approx(falls)
        assert uses.count(('train',)) == warmup == algorithm.warmup_epochs
        assert [e for e in range(1, epochs + 1) if algorithm.plan.due(e)] == prunings


@pytest.mark.parametrize(
    ('options', 'epochs', 'message'),
    [
        ({'temperature': {'epochs': 96}}, 48, r'temperature\.epochs=96: the run has 48 .*leave it'),
        ({'warmup_epochs': 12}, 12, r'warmup_epochs=12: expected less than the 12'),
        (
            {'slimming': {'begin': 24, 'interval': 12}},
            48,
            r'begin=24, slimming\.interval=12: the last pruning is after epoch 96, the run has 48 '
            r'epochs; leave both out$',
        ),
        (
            {'slimming': {'begin': 10, 'interval': 5}},
            48,
            r'after epoch 40, the run has 48 epochs; leave both out, or slimming\.begin=18',
        ),
        ({}, 7, r'max_epochs=7: too few for 7 prunings after 1 epochs of warm-up'),
    ],
)
def test_a_schedule_that_does_not_end_with_the_run(
    options: dict, epochs: int, message: str
) -> None:
    algorithm = build(**{'warmup_epochs': 1, 'slimming': True, **options})
    with pytest.raises(ValueError, match=message):
        algorithm.attach({}, epochs)
    if 'temperature' in options:
        with pytest.raises(ValueError, match=message):
            build('GDAS', **options).attach({}, epochs)


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
    algorithm = build(net=SPACES['chain'])  # the first block of a stage has no identity to choose
    optimizers = search_optimizers(algorithm)
    last: dict[int, torch.Tensor] = {}
    counts = []
    for epoch in range(1, 9):
        alive = algorithm.table.alive().sum(1)
        counts.append(len(alive.unique()))
        run_epochs(algorithm, optimizers, range(epoch, epoch + 1), steps=1)
        for row in (alive > 1).nonzero().flatten().tolist():
            last[row] = algorithm.ranking[row].clone()
        if algorithm.decided:
            break
    assert algorithm.decided and max(counts) > 1
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


def test_after_e_was_forgotten_the_next_indicator_compares_with_none_from_before() -> None:
    """In a new window S starts uniform; compared with it, not with the S of the old window."""
    algorithm = build(
        accuracy='loss',
        indicator={'forget': True},
        chain={'against': 'before'},
        slimming={'begin': 1, 'interval': 9},
    )
    run_epochs(algorithm, search_optimizers(algorithm), range(1, 2), steps=8)
    alive, beta = algorithm.table.alive(), algorithm.table.shares()
    uniform = torch.where(alive, 1 / alive.sum(1, keepdim=True), 0.0)
    torch.testing.assert_close(algorithm.chain.before, uniform + 0.5 * beta, check_dtype=False)
    assert float((algorithm.current - algorithm.chain.before).abs().max()) > 1e-3
    kept = build(accuracy='loss', chain={'against': 'before'}, slimming={'begin': 1, 'interval': 9})
    run_epochs(kept, search_optimizers(kept), range(1, 2), steps=8)
    torch.testing.assert_close(kept.chain.before, kept.current)  # E goes on, so does S


def test_a_step_is_compared_with_the_interval_of_the_run() -> None:
    algorithm = build(warmup_epochs=None, slimming={'step': 3})
    algorithm.attach({}, 24)
    assert (algorithm.plan.interval, algorithm.plan.step) == (3, 3)
    with pytest.raises(ValueError, match=r'slimming\.step=3: does not divide .*interval=5'):
        algorithm.attach({}, 40)


def test_the_papers_step_is_a_pruning() -> None:
    for chain, steps in (({}, 4), ({'against': 'before'}, 2)):
        algorithm = build(chain=chain, slimming={'begin': 2, 'interval': 2})
        run_epochs(algorithm, search_optimizers(algorithm), range(1, 5), steps=1)
        assert int(algorithm.chain.known) == 1 + steps


TINY = [
    'model.model.backbone.init_channels=2',
    'model.model.backbone.num_cells=3',
    'model.model.head.in_channels=32',
    'train_dataloader.dataset.indices=40',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=20',
    'default_hooks.search.recalibrate_batches=1',
]


def test_a_search_is_shortened_by_one_value(tmp_path: Path) -> None:
    """Eight epochs instead of 96: one of warm-up, and the seventh pruning ends the last."""
    options = [*TINY, 'train_cfg.max_epochs=8']
    config = ROOT / 'configs/search/eoinas_digits.py'
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', *options) == 0
    epochs = json.loads((tmp_path / 'search.json').read_text())['epochs']
    assert ['importance' in entry for entry in epochs] == [False, *[True] * 7]
    alive = [
        {sum(v is not None for v in values) for values in entry['importance'].values()}
        for entry in epochs[1:]
    ]
    assert alive == [{7}, {6}, {5}, {4}, {3}, {2}, {1}]
    state = torch.load(tmp_path / 'epoch_8.pth', weights_only=True)
    (rate,) = state['param_schedulers']['weights']
    assert rate['T_max'] == rate['end'] == rate['_global_step']


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (
            'param_scheduler.weights.0.T_max=96',
            'param_scheduler.weights: T_max ends after 96 epochs',
        ),
        ('model.temperature.epochs=96', 'temperature.epochs=96: the run has 8 epochs'),
        ('model.slimming.begin=3', 'the last pruning is after epoch 9, the run has 8'),
        ('model.warmup_epochs=8', 'warmup_epochs=8: expected less than the 8 epochs'),
    ],
)
def test_the_tool_refuses_a_schedule_that_does_not_end_with_the_run(
    option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = ROOT / 'configs/search/eoinas_digits.py'
    options = [*TINY, 'train_cfg.max_epochs=8', option]
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ValueError') and message in error


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
    assert set(details) == {'importance', 'live', 'accuracy_share'}
    for name, parameter in algorithm.distribution().items():
        tables = (details[key][name] for key in ('importance', 'accuracy_share'))
        for importance, share, beta in zip(*tables, parameter, strict=True):
            assert importance is None or importance == pytest.approx(share + 0.5 * beta, abs=2e-6)
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
        ({'slimming': {'interval': 0}}, r'slimming\.interval=0: below 1'),
        (
            {'slimming': {'begin': 3, 'interval': 3, 'step': 2}},
            r'slimming\.step=2: does not divide',
        ),
        ({'chain': {'against': 'time'}}, r"chain\.against='time'"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
