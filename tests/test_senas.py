"""SE-NAS: stages, shrinking, expansion and what a checkpoint holds, against plain computations."""

import copy
import json
import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from oneshot import CHAIN, build, derived, held, likelihood, run_epochs
from tasks import classifier, search_optimizers
from torch import nn
from zoo import SPACES, images, scramble

from ppnas_mm.algorithms.limits import Limits
from ppnas_mm.algorithms.paths import Paths
from ppnas_mm.registry import MODELS
from ppnas_mm.selection import ConstraintError
from ppnas_mm.spaces import Fixed
from ppnas_mm.spaces.expansion import Copies

SIX = {**CHAIN, 'ops': tuple(f'mbconv_{k}x{k}_e{e}_se' for k in (3, 5, 7) for e in (4, 6))}


def left(algorithm: Any) -> list[int]:
    """Operations left of each choice."""
    return [len(ops) for ops in algorithm.paths.alive().values()]


def plain_scores(algorithm: Any, seed: int = 0) -> None:
    """Random importances, without evaluation."""
    rng = np.random.default_rng(seed)
    algorithm.importances = lambda: {
        name: {i: float(rng.uniform(10, 90)) for i in ops}
        for name, ops in algorithm.paths.alive().items()
    }


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


# -- limits ----------------------------------------------------------------------------------------


def architectures(net: Any, alive: dict) -> Any:
    """Plain parts of architectures that costs add up over: for each node, all that it may be."""
    for nodes in net.layout.values():
        for node in nodes.values():
            ways = [node.ops]
            if node.gates is not None and node.ops[0].source is not None:
                ways = list(combinations(node.ops, node.gates.keep))
            yield [
                dict(zip((op.name for op in way), ((i,) for i in kept), strict=True))
                for way in ways
                for kept in product(*(alive[op.name] for op in way))
            ]


@pytest.mark.parametrize('net', [CHAIN, SPACES['darts'], SPACES['nasbench201'], SPACES['ppconv']],
                         ids=lambda net: net['type'][9:])  # fmt: skip
def test_reachable_is_what_a_count_of_all_says(net: dict) -> None:
    torch.manual_seed(0)
    model = MODELS.build(classifier(net))
    limits = Limits(model, params=1, flops=1, input_shape=(3, 16, 16))
    paths, rng = Paths(model.backbone), np.random.default_rng(0)
    for _ in range(8):
        alive = {
            name: tuple(i for i in ops if rng.random() < 0.5) or ops[:1]
            for name, ops in paths.alive().items()
        }
        for unit, table in limits.tables.items():
            parts = [[table(part) - table.fixed for part in node]
                     for node in architectures(model.backbone, alive)]  # fmt: skip
            least, most = (table.fixed + sum(map(f, parts)) for f in (min, max))
            for bound, expected in (
                ((None, least), True),
                ((None, least - 1), False),
                ((most, None), True),
                ((most + 1, None), False),
                ((least, most), True),
                ((most + 1, most + 2), False),
            ):
                limits.bounds = {unit: bound}
                assert limits.reachable(alive) == expected


def test_a_range_of_a_space_is_that_of_its_derived_networks() -> None:
    algorithm = build('SENAS', CHAIN, limits={'params': (1, 10**9)})
    sizes = []
    for ops in product((0, 1), repeat=5):
        path = dict(zip(algorithm.super_net.choices, ((i,) for i in ops), strict=True))
        sizes.append(sum(p.numel() for p in derived(algorithm, path).parameters()))
    least, most, alive = min(sizes), max(sizes), algorithm.paths.alive()
    for bound in ((None, least), (most, None)):
        algorithm.limits.bounds = {'params': bound}
        assert algorithm.limits.reachable(alive)
    for bound in ((None, least - 1), (most + 1, None)):
        algorithm.limits.bounds = {'params': bound}
        assert not algorithm.limits.reachable(alive)


@pytest.mark.parametrize('drop', ['each', 25])
def test_shrinking_leaves_what_the_limits_need(drop: Any) -> None:
    """Only the largest operations keep this limit, so all of those stay, whatever their scores."""
    probe = build('SENAS', SIX, limits={'params': 10**9})
    largest = {name: (max(ops, key=lambda i: probe.limits.tables['params'].entries[name][i]),)
               for name, ops in probe.paths.alive().items()}  # fmt: skip
    size = sum(p.numel() for p in derived(probe, largest).parameters())
    algorithm = build('SENAS', SIX, epochs=9, drop=drop, limits={'params': (size, None)})
    algorithm.importances = lambda: {  # the largest are the least important
        n: {i: float(i not in largest[n]) + i / 10 for i in ops}
        for n, ops in algorithm.paths.alive().items()
    }
    run_epochs(algorithm, search_optimizers(algorithm), range(1, 10))
    assert algorithm.finished and algorithm.paths.alive() == largest
    assert dict(algorithm.decide(True)) == largest


def test_a_search_that_can_drop_nothing_selects() -> None:
    probe = build('SENAS', CHAIN, limits={'params': 10**9})
    entries = probe.limits.tables['params'].entries
    # one operation less anywhere, and the range is missed: nothing but both extremes are in it
    model = MODELS.build(classifier(CHAIN))
    limits = Limits(model, params=1)
    least, most = limits._range(limits.tables['params'], probe.paths.alive())
    assert all(row[0] != row[1] for row in entries.values())
    algorithm = build('SENAS', CHAIN, limits={'params': (1, 10**9)})
    plain_scores(algorithm)
    algorithm.limits.reachable = lambda alive: (  # as if two limits asked for both
        limits._range(limits.tables['params'], alive) == (least, most)
    )
    run_epochs(algorithm, search_optimizers(algorithm), [1])
    assert algorithm.finished and left(algorithm) == [2] * 5


def test_scored_models_keep_the_limits() -> None:
    probe = build('SENAS', SIX, limits={'params': 10**9})
    sizes = sorted(probe.limits.costs(probe.training_paths()[0])['params'] for _ in range(30))
    algorithm = build('SENAS', SIX, limits={'params': sizes[10]})
    seen: list[int] = []
    algorithm.batch_accuracy = lambda path, _: float(len(seen) + 1)
    real = algorithm.limits.costs
    algorithm.reported = lambda items, _: (seen.append(real(p)['params']) or p for p in items)
    algorithm.importances()
    assert len(seen) >= 12 and max(seen) <= sizes[10]
    window = build('SENAS', CHAIN, limits={'params': (sizes[0] / 2, 10**9)})
    window.limits.ok = lambda path: False
    with pytest.raises(ConstraintError, match='no model drawn'):
        window.importances()


# -- importance ------------------------------------------------------------------------------------


@pytest.mark.parametrize('net', ['mobile', 'darts', 'ppconv'])
def test_importance_is_the_mean_over_the_models_with_an_operation(net: str) -> None:
    algorithm = scramble(build('SENAS', net, models_per_op=2, accuracy='loss', snapshots=1))
    algorithm.super_net.prune(
        *next((n, ops[0]) for n, ops in algorithm.paths.alive().items() if len(ops) > 1)
    )
    models: list[tuple[Any, float]] = []
    real = algorithm.batch_accuracy
    algorithm.batch_accuracy = lambda path, data: (
        models.append((path, real(path, data))) or models[-1][1]
    )
    found = algorithm.importances()
    for path, accuracy in models[:3]:
        model = derived(algorithm, path)
        assert accuracy == pytest.approx(
            likelihood(model, algorithm.loaders['val'], [nn.BatchNorm2d]), rel=1e-4
        )
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
            assert value == pytest.approx(sum(accuracies) / len(accuracies), rel=1e-5)
            assert found[name][i] == pytest.approx(value, rel=1e-5)
    assert fewest >= (1 if net == 'darts' else 2)  # there an edge is in a model with chance 2 / n


def test_depths_are_balanced_as_long_as_there_are_identities() -> None:
    algorithm = build('SENAS', 'mobile', scoring_sampler='depth_balanced', drop='each')
    identity = algorithm._identities()
    assert len(identity) == 2 and all(
        algorithm.super_net.choices[n].candidates[i] == 'identity' for n, i in identity.items()
    )
    for name, i in identity.items():
        algorithm.super_net.prune(name, i)
    run_epochs(algorithm, search_optimizers(algorithm), [1])
    assert algorithm.shrinking is not None
    with pytest.raises(ValueError, match="scoring_sampler='depth_balanced'"):
        build('SENAS', 'chain', scoring_sampler='depth_balanced')


# -- expansion -------------------------------------------------------------------------------------


def grown(net: str | dict, epochs: int = 2, **kwargs: Any) -> tuple[Any, Any]:
    """A search after shrinkings and expansions, and one epoch more if it is 2."""
    options = {'first_epochs': 1, 'stage_epochs': 2, 'drop': 'each', 'threshold': 60, **kwargs}
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
        ({'drop': 'all'}, "drop='all'"),
        ({'score': 'best'}, "score='best'"),
        ({'scoring_sampler': 'x'}, "scoring_sampler='x'"),
        ({'snapshots': 0}, 'snapshots=0'),
    ],
)  # fmt: skip
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build('SENAS', CHAIN, **options)
