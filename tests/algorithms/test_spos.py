"""SPOS: sampling, steps, evaluation and selection, against plain computations."""

import copy
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from oneshot import CHAIN, batches, build, derived, held, likelihood, run_epochs
from tasks import classifier, search_optimizers
from torch import nn
from zoo import SPACES, count_multiplications, images, scramble

from ppnas_mm.algorithms.one_shot.snapshots import Snapshots
from ppnas_mm.costs.limits import ConstraintError
from ppnas_mm.genotype import DegenerateArchitectureError
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed
from ppnas_mm.utils.batch_norm import recalibrate

# -- sampling --------------------------------------------------------------------------------------


def test_operations_and_connections_are_drawn_uniformly(space: str) -> None:
    algorithm = build(net=SPACES[space])
    net, paths = algorithm.super_net, []
    for _ in range(1000):
        (path,) = algorithm.training_paths()
        paths.append(path)
    for path in paths[:50]:  # an architecture of the space, by its own rules
        if space != 'nasbench201':  # there operations may cut every way
            net.check(path)
        assert net.to_path(net.to_genotype(path)) == path
    for name, choice in net.choices.items():
        if choice.gates and choice.keep is None:
            continue  # what reads no input of the cell is drawn anew
        rows = [path[name] for path in paths if name in path]
        kept = {i for i, op in enumerate(choice.candidates) if choice.gates or op != 'none'}
        if space == 'nasbench201':  # there it is an operation like others
            kept = set(range(len(choice.candidates)))
        share = (choice.keep or 1) / len(kept)
        counts = np.bincount(np.concatenate(rows), minlength=len(choice.candidates))
        assert {i for i, count in enumerate(counts) if count} == kept
        bound = 5 * math.sqrt(len(rows) * share * (1 - share))
        assert all(abs(counts[i] - len(rows) * share) <= bound for i in kept), (name, counts)
    assert int(algorithm.draws.state[1]) == 1000


def test_draws_depend_on_seed_and_count_only(space: str) -> None:
    one = build(net=space, seed=3)
    first = [one.training_paths() for _ in range(6)]
    two = build(net=space, seed=3)
    torch.manual_seed(77)
    for _ in range(3):
        two.training_paths()
    three = build(net=space, seed=4)
    assert three.training_paths() != first[0]
    three.load_state_dict(two.state_dict())
    assert [three.training_paths() for _ in range(3)] == first[3:]


def test_fair_steps_train_every_operation_once() -> None:
    for space, most in (('chain', 7), ('mobile', 10)):
        algorithm = build(net=SPACES[space], sampler='fair')
        for _ in range(3):
            paths = algorithm.training_paths()
            assert len(paths) == most
            for name, choice in algorithm.super_net.choices.items():
                counts = np.bincount([path[name][0] for path in paths])
                rest = most % len(choice.candidates)
                times = [most // len(choice.candidates) + (k < rest) for k in range(len(counts))]
                assert sorted(counts, reverse=True) == times


def test_fair_steps_sum_the_gradients_of_their_paths() -> None:
    algorithm = build(net=CHAIN, sampler='fair').double()
    optimizers = search_optimizers(algorithm)  # SGD, rate 0.05
    plain = copy.deepcopy(algorithm)
    batch = batches(5)[0]
    data = plain.data_preprocessor(batch, True)
    data['inputs'] = data['inputs'].double()
    paths = plain.training_paths()
    assert len(paths) == 2
    for path in paths:
        plain.super_net.mixture = Fixed(path)
        plain.model(**data, mode='loss')['loss'].backward()
    expected = {n: p.detach() - 0.05 * p.grad for n, p in plain.model.named_parameters()
                if '.arch.' not in n}  # fmt: skip
    algorithm.data_preprocessor.forward = lambda *_: data
    algorithm.train_step({'train': batch}, optimizers)
    found = dict(algorithm.model.named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(found[name].detach(), value, rtol=1e-9, atol=1e-12)


def test_a_step_moves_nothing_but_its_path(space: str) -> None:
    """Also with momentum and decay, and in the steps after those that trained the rest."""
    algorithm = build(net=space)
    optimizer = {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9, 'weight_decay': 0.1}
    optimizers = search_optimizers(algorithm, weights={'optimizer': optimizer})
    spots = held(algorithm.super_net)
    for step in range(3):
        before = {spot: [p.detach().clone() for p in own] for spot, own in spots.items()}
        counter = algorithm.draws.state.clone()
        (path,) = algorithm.training_paths()
        algorithm.draws.state.copy_(counter)
        algorithm.train_step({'train': batches(step)[0]}, optimizers)
        moved = {
            spot for spot, own in spots.items()
            if not all(map(torch.equal, own, before[spot]))
        }  # fmt: skip
        on_path = {(name, i) for name, kept in path.items() for i in kept}
        assert moved and moved <= on_path
        if space in ('chain', 'mobile'):  # every operation feeds the next
            assert moved == {spot for spot in on_path if spots[spot]}


# -- evaluation ------------------------------------------------------------------------------------


def test_snapshots_are_the_plain_mean(space: str) -> None:
    algorithm = build(net=space, snapshots=2, epochs=1)
    algorithm.attach({'train': batches(*range(5)), 'val': batches(9)}, 1)
    optimizers = search_optimizers(algorithm)
    algorithm.before_epoch(1)
    states = []
    for batch in algorithm.loaders['train']:
        algorithm.train_step({'train': batch}, optimizers)
        states.append(copy.deepcopy(algorithm.model.state_dict()))
    with algorithm.snapshots.averaged():
        mean = copy.deepcopy(algorithm.model.state_dict())
    live = algorithm.model.state_dict()
    changed = set()
    for key, value in mean.items():
        assert torch.equal(live[key], states[4][key])
        if not value.is_floating_point():
            assert torch.equal(value, states[4][key])
            continue
        expected = (states[2][key].double() + states[4][key].double()) / 2
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-7)
        changed |= {key.rsplit('.')[-1]} if not torch.equal(value, live[key]) else set()
    assert changed >= {'weight', 'bias', 'running_mean', 'running_var'}
    algorithm.before_epoch(2)
    with algorithm.snapshots.averaged():  # forgotten: the weights as they are
        assert all(torch.equal(v, live[k]) for k, v in algorithm.model.state_dict().items())


def test_progress_counts_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(build().reported(range(9), 'Scoring')) == list(range(9))
    assert '9 of 9 models, 0:00:00 left' in capsys.readouterr().out


def test_snapshots_are_evenly_spaced_and_end_with_the_last_step() -> None:
    for count, steps, expected in ((1, 4, [4]), (3, 5, [2, 4, 5]), (5, 10, [2, 4, 6, 8, 10]),
                                   (5, 2, [1, 2])):  # fmt: skip
        model, values = nn.Linear(1, 1), torch.arange(1.0, steps + 1)
        snapshots = Snapshots(model, count)
        for step in range(1, steps + 1):
            nn.init.constant_(model.weight, values[step - 1])
            snapshots.step(step, steps)
        with snapshots.averaged():
            assert float(model.weight) == pytest.approx(
                float(values[[e - 1 for e in expected]].mean())
            )
        assert snapshots.taken == len(expected) and float(model.weight) == steps
    with pytest.raises(ValueError, match='snapshots=0'):
        Snapshots(nn.Linear(1, 1), 0)


def test_accuracies_are_those_of_the_derived_network(space: str) -> None:
    """With each batch's statistics, and with statistics of the architecture's own."""
    algorithm = scramble(build(net=space, accuracy='loss', seed=2))
    val, training = algorithm.loaders['val'], algorithm.loaders['train']
    rng, net = np.random.default_rng(0), algorithm.super_net
    for _ in range(3):
        path = algorithm.paths.whole(
            {n: int(rng.choice(o)) for n, o in algorithm.paths.alive().items()}, rng
        )
        model, before = derived(algorithm, path), copy.deepcopy(algorithm.model.state_dict())
        expected = likelihood(copy.deepcopy(model), val, [nn.BatchNorm2d])
        mode = [module.training for module in algorithm.modules()]
        with algorithm.evaluation() as data:
            found = algorithm.batch_accuracy(path, data)
        assert found == pytest.approx(expected, rel=1e-4)
        assert [module.training for module in algorithm.modules()] == mode
        assert all(
            torch.equal(value, before[key])
            for key, value in algorithm.model.state_dict().items()
            if 'num_batches' not in key
        )
        recalibrate(model, training, 2)
        with algorithm.evaluation() as data:
            found = algorithm.recalibrated_accuracy(path, data, training)
            assert algorithm.recalibrated_accuracy(path, data, []) != found
        assert found == pytest.approx(likelihood(model, val), rel=1e-4)
        algorithm.model.load_state_dict(before)
        algorithm.train()
        assert net.alive.any()


def test_the_head_says_how_many_are_right() -> None:
    """Also where all logits are below 0, which mmpretrain's own accuracy counts as wrong."""
    algorithm = build(accuracy='head')
    with torch.no_grad():
        algorithm.model.head.fc.bias -= 100
    algorithm.super_net.mixture = Fixed(algorithm.training_paths()[0])
    with algorithm.evaluation() as data:
        accuracy = algorithm.batch_accuracy(path := algorithm.training_paths()[0], data)
    model, right = derived(algorithm, path).train(), 0
    for batch in algorithm.loaders['val']:
        x = model.data_preprocessor(batch, False)['inputs']
        with torch.no_grad():
            guess = model(x, mode='tensor').argmax(1).tolist()
        right += sum(
            int(s.gt_label) == g for s, g in zip(batch['data_samples'], guess, strict=True)
        )
    assert accuracy == pytest.approx(100 * right / 12)


# -- selection -------------------------------------------------------------------------------------


def test_selects_the_best_of_all_that_keep_the_limits() -> None:
    probe = build(net=CHAIN, limits={'params': 10**9})
    every = [dict(zip(probe.super_net.choices, ((i,) for i in ops), strict=True))
             for ops in product((0, 1), repeat=5)]  # fmt: skip
    sizes = sorted(sum(p.numel() for p in derived(probe, path).parameters()) for path in every)
    low, high = sizes[8], sizes[20]
    algorithm = build(net=CHAIN, limits={'params': (low, high)}, accuracy='loss', epochs=1)
    optimizers = search_optimizers(algorithm)
    run_epochs(algorithm, optimizers, [1])
    scores = {}
    for path in every:
        model = derived(algorithm, path)
        count = sum(p.numel() for p in model.parameters())
        if low <= count <= high:
            recalibrate(model, algorithm.loaders['train'], 1)
            scores[tuple(path.items())] = likelihood(model, algorithm.loaders['val'])
    best = max(scores, key=scores.__getitem__)
    assert algorithm.finished and dict(algorithm.decide(True)) == dict(best)
    selection = algorithm.details()['selection']
    assert selection['method'] == 'enumeration' and selection['evaluated'] == len(scores)
    assert selection['accuracy'] == pytest.approx(scores[best], rel=1e-4)


@pytest.mark.parametrize('net', ['mobile', 'darts', 'ppconv'])
def test_limits_are_kept_and_costs_are_those_of_the_derived_network(net: str) -> None:
    def costs(algorithm: Any, path: Any) -> tuple[int, int]:
        model = derived(algorithm, path)
        convolutions = count_multiplications(model, images(1, 3, 16, 16))
        head = model.head.fc.weight.numel()
        return sum(p.numel() for p in model.parameters()), convolutions + head

    probe = build(net=net)
    seen = np.array([costs(probe, probe.training_paths()[0]) for _ in range(9)])
    low, high = sorted(seen[:, 1])[2], sorted(seen[:, 1])[6]
    limits = {'flops': (float(low), float(high)), 'input_shape': (3, 16, 16)}
    algorithm = build(net=net, limits=limits, epochs=1)
    run_epochs(algorithm, search_optimizers(algorithm), [1])
    assert algorithm.result.method == 'evolution' and len(algorithm.result.evaluated) > 4
    for entry in algorithm.result.evaluated[:5]:
        parameters, flops = costs(algorithm, entry.path)
        assert entry.costs == {'flops': flops} and low <= flops <= high
        assert algorithm.limits.costs(entry.path) == {'params': parameters, 'flops': flops}
    algorithm.super_net.check(algorithm.decide(True))
    best = max(algorithm.result.evaluated, key=lambda entry: entry.accuracy)
    assert dict(algorithm.decide(True)) == dict(best.path)


def test_limits_that_no_architecture_keeps() -> None:
    with pytest.raises(ConstraintError, match=r"'params': \(None, 10\).*cost"):
        build(limits={'params': 10})
    probe = build(net=CHAIN, limits={'params': 10**9})
    size = probe.limits.costs(probe.training_paths()[0])['params']
    algorithm = build(net=CHAIN, limits={'params': (size + 0.1, size + 0.2)}, epochs=1)
    with pytest.raises(ConstraintError, match='32 different architectures'):
        run_epochs(algorithm, search_optimizers(algorithm), [1])


def test_a_selection_leaves_the_weights_and_is_saved(space: str) -> None:
    algorithm = build(net=space, epochs=1, snapshots=2)
    run_epochs(algorithm, search_optimizers(algorithm), [])
    algorithm.before_epoch(1)
    optimizers = search_optimizers(algorithm)
    with pytest.raises(DegenerateArchitectureError, match='not selected'):
        algorithm.derive()
    for batch in algorithm.loaders['train']:
        algorithm.train_step({'train': batch}, optimizers)
    before = copy.deepcopy(algorithm.model.state_dict())
    algorithm.after_epoch(1)
    after = algorithm.model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    fresh = build(net=space, seed=9)
    assert not fresh.finished
    fresh.load_state_dict(algorithm.state_dict())
    assert fresh.finished and fresh.derive() == algorithm.derive()
    assert fresh.distribution() == algorithm.distribution()
    for name, row in fresh.distribution().items():
        kept = fresh.decide(True).get(name, ())
        assert row == [float(i in kept) for i in range(len(row))]


def test_provisionally_the_most_important_operations_stand(space: str) -> None:
    algorithm = build(net=space)
    generator = torch.Generator().manual_seed(1)
    algorithm.importance.copy_(torch.rand(len(algorithm.importance), generator=generator))
    path, net = algorithm.decide(strict=False), algorithm.super_net
    starts = dict(
        zip(
            net.choices,
            np.cumsum([0, *(len(c.candidates) for c in net.choices.values())]),
            strict=False,
        )
    )
    best = {}
    for name in (n for n, c in net.choices.items() if not c.gates):
        values = {i: float(algorithm.importance[starts[name] + i]) for i in net.keepable(name)}
        best[name] = max(values, key=values.__getitem__), max(values.values())
        assert name not in path or path[name] == (best[name][0],)
    if space == 'darts':  # the two edges of most important operations
        edges = {n: best[n][1] for n in best if n.startswith('normal/node4/')}
        top = sorted(edges, key=edges.__getitem__)[-2:]
        assert {n for n in path if n.startswith('normal/node4/op')} == set(top)


def test_the_distribution_is_that_of_the_draws(space: str) -> None:
    algorithm = build(net=space)
    for name, row in algorithm.distribution().items():
        choice = algorithm.super_net.choices[name]
        if choice.keep or not choice.gates:
            assert sum(row) == pytest.approx(choice.keep or 1)
        else:  # any but the empty subset
            n = len(row)
            assert row == pytest.approx([2 ** (n - 1) / (2**n - 1)] * n)
    if space == 'darts':
        assert algorithm.distribution()['normal/node2/op0'][-1] == 0.0  # none


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'sampler': 'round'}, "sampler='round'"),
        ({'snapshots': 0}, 'snapshots=0'),
        ({'eval_batches': 0}, 'eval_batches=0'),
        ({'recalibrate_batches': -1}, 'recalibrate_batches=-1'),
        ({'accuracy': 'x'}, "accuracy='x'"),
        ({'limits': {'weight': 3}}, 'limits=.*weight'),
        ({'limits': {'flops': 1e6}}, 'flops needs input_shape'),
        ({'limits': {'latency': 3}}, 'latency needs latency_table'),
        ({'limits': {'params': (3, 2)}}, r'limits\.params=\(3, 2\)'),
        ({'limits': {'params': 'few'}}, r"limits\.params='few'"),
        ({'selection': {'populatoin': 3}}, 'selection=.*populatoin.*population'),
        ({'selection': {'generations': 0}}, 'generations=0'),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_an_evaluation_needs_the_halves() -> None:
    algorithm = MODELS.build({'type': 'ppnas_mm.SPOS', 'model': classifier(SPACES['chain'])})
    with pytest.raises(TypeError, match='SearchLoop'):
        algorithm.select()
