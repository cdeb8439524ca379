"""SE-NAS: stages, shrinking, expansion and what a checkpoint holds, against plain computations."""

import copy
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from oneshot import (
    CHAIN,
    NETS,
    SIX,
    build,
    derived,
    held,
    left,
    likelihood,
    plain_scores,
    run_epochs,
)
from tasks import search_optimizers
from torch import nn
from zoo import images, scramble

from ppnas_mm.algorithms.one_shot.senas import _number
from ppnas_mm.spaces import Fixed
from ppnas_mm.spaces.expansion import Copies

# -- stages ----------------------------------------------------------------------------------------


def test_stages_end_when_the_paper_says() -> None:
    algorithm = build('SENAS', CHAIN, first_epochs=3, stage_epochs=2)
    assert [e for e in range(1, 12) if algorithm.ends_stage(e)] == [3, 5, 7, 9, 11]
    assert [algorithm.stages_done(e) for e in range(1, 8)] == [0, 0, 1, 1, 2, 2, 3]
    mobile = build('SENAS', CHAIN, first_epochs=100, stage_epochs=5)
    assert [e for e in range(1, 125) if mobile.ends_stage(e)] == [100, 105, 110, 115, 120]


def test_a_search_shrinks_after_each_stage_and_selects_at_the_end() -> None:
    """Stages end with epochs 2, 5 and 8; the search ends with epoch 8."""
    algorithm = build('SENAS', SIX, epochs=8, first_epochs=2, stage_epochs=3, drop=7)
    plain_scores(algorithm)
    optimizers, counts = search_optimizers(algorithm), []
    for epoch in range(1, 9):
        assert not algorithm.finished
        run_epochs(algorithm, optimizers, [epoch])
        counts.append(sum(left(algorithm)))
        assert ('shrinking' in algorithm.details()) == (epoch in (2, 5))
    assert counts == [30, 23, 23, 23, 16, 16, 16, 16]
    assert algorithm.finished and min(left(algorithm)) > 0
    (end,) = [algorithm.derive()]
    kept = algorithm.paths.alive()
    assert all(i in kept[n] for n, (i,) in algorithm.super_net.to_path(end).items())


@pytest.mark.parametrize(
    ('options', 'sizes', 'epochs'),
    [
        ({'drop': 'each'}, [[5] * 5, [4] * 5, [3] * 5], 4),
        ({'drop': 100}, [[1] * 5], 2),  # then nothing is left to drop
        ({'drop': 'each', 'max_stages': 1}, [[5] * 5], 2),
        ({'drop': 'each', 'finish_size': 5**5}, [[5] * 5], 2),
        ({'drop': 'each', 'finish_size': 5**5 - 1}, [[5] * 5, [4] * 5], 3),
        ({'drop': 'each', 'max_stages': 9}, [[5] * 5, [4] * 5, [3] * 5], 4),
    ],
)
def test_when_a_search_ends(options: dict, sizes: list[list[int]], epochs: int) -> None:
    algorithm = build('SENAS', SIX, **options)
    plain_scores(algorithm)
    optimizers = search_optimizers(algorithm)
    for number in range(1, epochs + 1):
        assert not algorithm.finished
        run_epochs(algorithm, optimizers, [number])
        assert left(algorithm) == sizes[min(number, len(sizes)) - 1]
    assert algorithm.finished


def test_what_is_dropped_has_the_lowest_scores() -> None:
    algorithm = build('SENAS', SIX, score='si', drop=4, models_per_op=3, accuracy='loss')
    optimizers = search_optimizers(algorithm)
    run_epochs(algorithm, optimizers, [1])
    spots = dict(
        zip(held(build('SENAS', SIX).super_net), algorithm.importance.tolist(), strict=True)
    )
    lowest = sorted(spots, key=spots.__getitem__)[:4]  # of five choices none loses all six
    record = algorithm.details()['shrinking']
    assert record['stage'] == 1 and len(record['dropped']) == 4
    for (name, i), entry in zip(lowest, record['dropped'], strict=True):
        assert (entry['choice'], entry['op']) == (name, SIX['ops'][i])
        assert entry['score'] == entry['importance'] == pytest.approx(spots[name, i], abs=1e-4)
        assert i not in algorithm.super_net.alive_candidates(name)
    json.dumps(algorithm.details(), allow_nan=False)


def test_given_shrinkings() -> None:
    op = SIX['ops'][2]
    drops = [[['stage1/node1/op', op]], [['stage2/node1/op', op], ['stage3/node1/op', op]]]
    names = list(build('SENAS', SIX).super_net.choices)
    drops = [[[names[i], op] for i in row] for row in ((0,), (1, 2))]
    algorithm = build('SENAS', SIX, epochs=3, drops=drops)
    algorithm.batch_accuracy = lambda *_: pytest.fail('nothing is to be scored')
    run_epochs(algorithm, search_optimizers(algorithm), [1, 2])
    assert left(algorithm) == [5, 5, 5, 6, 6]
    assert all(2 not in algorithm.super_net.alive_candidates(n) for n in names[:3])
    wrong = build('SENAS', SIX, drops=[[['stage9/node1/op', op]]])
    with pytest.raises(ValueError, match=r'drops\[0\].*stage9'):
        run_epochs(wrong, search_optimizers(wrong), [1])


# -- importance ------------------------------------------------------------------------------------


def test_importance_by_rank_does_not_see_how_bad_the_worst_is() -> None:
    for worst in (0.5, -1e6):
        algorithm = build('SENAS', 'mobile', models_per_op=2, importance='rank')
        models: list[Any] = []

        def later_is_better(path: Any, *_: Any, worst: float = worst, seen: Any = models) -> float:
            seen.append(path)
            return float(len(seen)) if len(seen) > 1 else worst

        algorithm.recalibrated_accuracy = later_is_better
        found, total = algorithm.importances(), len(models)
        for name, ops in found.items():
            for op, value in ops.items():
                places = [i for i, path in enumerate(models) if path.get(name) == (op,)]
                assert value == pytest.approx(sum(places) / len(places) / (total - 1))


@pytest.mark.parametrize('recalibrated', [0, 1])
@pytest.mark.parametrize('net', ['mobile', 'darts', 'ppconv'])
def test_importance_is_the_mean_over_the_models_with_an_operation(
    net: str, recalibrated: int
) -> None:
    given = {'models_per_op': 2, 'snapshots': 1, 'scoring_recalibrate_batches': recalibrated}
    algorithm = scramble(build('SENAS', net, **given))
    algorithm.super_net.prune(
        *next((n, ops[0]) for n, ops in algorithm.paths.alive().items() if len(ops) > 1)
    )
    models: list[tuple[Any, float]] = []
    real = algorithm.recalibrated_accuracy
    algorithm.recalibrated_accuracy = lambda path, *data: (
        models.append((path, real(path, *data))) or models[-1][1]
    )
    buffers = {k: b.clone() for k, b in algorithm.model.named_buffers()}
    found = algorithm.importances()
    assert all(torch.equal(b, buffers[k]) for k, b in algorithm.model.named_buffers())
    for path, accuracy in models[:3]:
        model = derived(algorithm, path)
        if recalibrated:  # the statistics of the first training batch, with momentum 1
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = 1.0
            model.train()
            data = model.data_preprocessor(algorithm.loaders['train'][0], True)
            with torch.no_grad():
                model(data['inputs'], mode='tensor')
        alone = [] if recalibrated else [nn.BatchNorm2d]
        expected = likelihood(model, algorithm.loaders['val'], alone)
        assert accuracy == pytest.approx(expected, rel=1e-4)
    row = iter(algorithm.importance.tolist())
    net_ = algorithm.super_net
    fewest = math.inf
    for name, choice in net_.choices.items():
        for i in range(len(choice.candidates)):
            value = next(row)
            accuracies = [a for path, a in models if not choice.gates and path.get(name) == (i,)]
            if choice.gates or i not in algorithm.paths.alive()[name]:
                assert value == -math.inf and not accuracies
                continue
            fewest = min(fewest, len(accuracies))
            if not accuracies:  # an edge that none of few models reads
                assert value == -math.inf and math.isnan(found[name][i])
                continue
            assert value == pytest.approx(sum(accuracies) / len(accuracies), rel=1e-5)
            assert found[name][i] == pytest.approx(value, rel=1e-5)
    assert fewest >= (0 if net == 'darts' else 2)  # there an edge is in a model with chance 2 / n


def test_depths_are_balanced_as_long_as_there_areidentities() -> None:
    deep = {**NETS['mobile'], 'depths': (1, 3, 2, 1, 1, 1)}
    algorithm = build('SENAS', deep, scoring_sampler='depth_balanced', drop='each')
    free = algorithm.identities()
    assert list(free) == ['stage2/node2/op', 'stage2/node3/op', 'stage3/node2/op']
    for name in list(free):
        assert algorithm.super_net.choices[name].candidates[free[name]] == 'identity'
        models = algorithm._sample(algorithm.paths.alive(), np.random.default_rng(0))[:12]
        depths = Counter(sum(model[n] == i for n, i in free.items()) for model in models)
        assert depths == dict.fromkeys(range(len(free) + 1), 12 // (len(free) + 1))
        algorithm.super_net.prune(name, free.pop(name))
        assert algorithm.identities() == free
    run_epochs(algorithm, search_optimizers(algorithm), [1])
    assert algorithm.shrinking is not None
    with pytest.raises(ValueError, match="scoring_sampler='depth_balanced'"):
        build('SENAS', CHAIN, scoring_sampler='depth_balanced')


# -- expansion -------------------------------------------------------------------------------------


def grown(net: str | dict, epochs: int = 2, **kwargs: Any) -> tuple[Any, Any]:
    """A search after shrinkings and expansions, and one epoch more if it is 2."""
    options = {'first_epochs': 1, 'stage_epochs': 2, 'drop': 'each', 'threshold': 20, **kwargs}
    algorithm = build('SENAS', net, epochs=9, models_per_op=1, **options)
    plain_scores(algorithm)
    momentum = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9, 'weight_decay': 1e-3}}
    optimizers = search_optimizers(algorithm, weights=momentum)
    run_epochs(algorithm, optimizers, range(1, epochs + 1))
    return algorithm, optimizers


def test_derived_networks_compute_the_expanded_super_net(space: str) -> None:
    algorithm, _ = grown(space)
    groups = algorithm.details()['super_net']['merged']
    assert groups and all(len(group) > 1 for group in groups)
    assert any(isinstance(m, Copies) for m in algorithm.modules())
    x = images(2, 3, 16, 16)
    algorithm.eval()
    for _ in range(4):
        (path,) = algorithm.training_paths()
        model = derived(algorithm, path)
        algorithm.super_net.mixture = Fixed(path)
        with torch.no_grad():
            expected, found = algorithm.model(x, mode='tensor'), model(x, mode='tensor')
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_without_a_threshold_there_are_no_copies() -> None:
    algorithm, optimizers = grown('mobile', threshold=None)
    assert not any(isinstance(m, Copies) for m in algorithm.modules())
    assert algorithm.details()['super_net']['merged'] == []
    fewer = sum(p.numel() for p in algorithm.parameters())
    assert fewer < sum(p.numel() for p in build('SENAS', 'mobile').parameters())
    assert algorithm.details()['super_net']['parameters'] == sum(
        p.numel() for g in optimizers['weights'].optimizer.param_groups for p in g['params']
    )


def test_the_record_counts_what_the_super_net_holds() -> None:
    """By hand: an operation has a copy for each combination of the others in its group."""
    algorithm, _ = grown(SIX, threshold=50, drop=8)
    fresh = build('SENAS', SIX)
    owned = {spot: sum(p.numel() for p in own) for spot, own in held(fresh.super_net).items()}
    arch = sum(p.numel() for p in fresh.arch_parameters().values())
    expected = sum(p.numel() for p in fresh.parameters()) - arch - sum(owned.values())
    alive = algorithm.paths.alive()
    for group in algorithm.super_net.groups:
        whole = math.prod(len(alive[name]) for name in group)
        expected += sum(owned[n, i] * whole // len(alive[n]) for n in group for i in alive[n])
    record = algorithm.details()['super_net']
    assert record['parameters'] == expected
    assert record['operations'] == sum(map(len, alive.values())) == 22
    size = math.prod(map(len, alive.values()))
    assert record['log10_size'] == pytest.approx(math.log10(size), abs=1e-3)
    assert record['memory_mib'] == pytest.approx(8 * expected / 2**20, abs=0.01)
    assert any(len(group) > 1 for group in algorithm.super_net.groups)


def test_numbers_of_the_record_have_six_decimals_and_are_finite() -> None:
    assert [_number(v) for v in (1 / 3, -2.00000049, 0.0)] == [0.333333, -2.0, 0.0]
    assert [_number(v) for v in (None, math.nan, math.inf)] == [None] * 3


@pytest.mark.parametrize('recalibrated', [0, 1, 5])
def test_the_batches_announced_are_those_of_a_shrinking(recalibrated: int) -> None:
    """Two batches of each half are attached; of ``train`` five are two."""
    options = {'scoring_recalibrate_batches': recalibrated, 'drop': 2, 'max_stages': 1}
    algorithm = build('SENAS', SIX, first_epochs=1, stage_epochs=2, epochs=3, **options)
    algorithm.before_epoch(1)
    announced = algorithm.batches_evaluated(1, 2, 2)
    seen = []
    algorithm.super_net.register_forward_hook(lambda *_: seen.append(1))
    algorithm.after_epoch(1)
    models = len(seen) // (min(recalibrated, 2) + 2)
    assert models >= 6 and announced == len(seen) == models * (min(recalibrated, 2) + 2)


def test_the_optimizer_follows(space: str) -> None:
    algorithm, optimizers = grown(space, epochs=1)
    optimizer = optimizers['weights'].optimizer
    weights = [p for n, p in algorithm.named_parameters() if '.arch.' not in n]
    (group,) = optimizer.param_groups
    assert list(map(id, group['params'])) == list(map(id, weights))
    assert set(optimizer.state) <= set(weights)
    copied = 0
    for module in algorithm.modules():
        if isinstance(module, Copies):  # momentum goes with the weights
            first, *others = module.values()
            for other in others:
                for one, two in zip(first.parameters(), other.parameters(), strict=True):
                    assert one is not two and torch.equal(one, two)
                    if one in optimizer.state:
                        ours, theirs = (optimizer.state[p]['momentum_buffer'] for p in (one, two))
                        assert ours is not theirs and torch.equal(ours, theirs)
                        copied += 1
    assert copied
    before = {id(p): p.detach().clone() for p in weights}
    run_epochs(algorithm, optimizers, [2])
    inside = {id(p) for m in algorithm.modules() if isinstance(m, Copies) for p in m.parameters()}
    moved = {id(p) for p in weights if not torch.equal(p, before[id(p)])}
    assert moved & inside and inside - moved  # some partial models were trained


# -- checkpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize('net', ['mobile', 'darts', 'nasbench201', 'ppconv'])
def test_a_state_continues_across_shrinkings_and_expansions(net: str) -> None:
    options = {'drop': 'each', 'stage_epochs': 1, 'snapshots': 2, 'models_per_op': 1,
               'accuracy': 'loss', 'threshold': 20, 'epochs': 4}  # fmt: skip

    def start(seed: int) -> tuple[Any, Any]:
        algorithm = build('SENAS', net, seed=seed, **options)
        adam = {'optimizer': {'type': 'Adam', 'lr': 0.01}}
        return algorithm, search_optimizers(algorithm, weights=adam)

    (whole, whole_optimizers), (fresh, fresh_optimizers) = start(1), start(2)
    run_epochs(whole, whole_optimizers, [1, 2])
    assert any(isinstance(m, Copies) for m in whole.modules())
    fresh.load_state_dict(copy.deepcopy(whole.state_dict()))
    fresh_optimizers.load_state_dict(copy.deepcopy(whole_optimizers.state_dict()))
    assert fresh.super_net.groups == whole.super_net.groups
    for epochs in ([3], [4]):  # a shrinking, the selection
        run_epochs(whole, whole_optimizers, epochs)
        run_epochs(fresh, fresh_optimizers, epochs)
        ours, theirs = whole.state_dict(), fresh.state_dict()
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert torch.equal(value, theirs[key]), key
    assert whole.finished and whole.derive() == fresh.derive()
    assert whole.details() == fresh.details()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        *(({key: 0}, f'{key}=0') for key in (
            'first_epochs', 'stage_epochs', 'drop', 'max_stages', 'finish_size', 'threshold',
            'models_per_op')),
        ({'drop': 'all'}, "drop='all': expected a whole number from 1 or 'each'"),
        ({'score': 'best'}, "score='best'"),
        ({'importance': 'order'}, "importance='order': expected 'accuracy' or 'rank'"),
        ({'scoring_sampler': 'x'}, "scoring_sampler='x'"),
        ({'snapshots': 0}, 'snapshots=0'),
    ],
)  # fmt: skip
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build('SENAS', CHAIN, **options)
