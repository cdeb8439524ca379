"""EoiNAS and GDAS: draws, indicator, Markov chain, pruning, against plain formulas."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from plain_dag import every_operation
from plain_markov import PlainChain, plain_indicator
from tasks import classifier, classifier_batch, search_optimizers
from zoo import SPACES, count_multiplications, images

from ppnas_mm.algorithms.distillation import captured
from ppnas_mm.algorithms.gdas import Temperature
from ppnas_mm.algorithms.importance import OperationImportance
from ppnas_mm.algorithms.markov import LiveDie
from ppnas_mm.algorithms.slimming import Slimming
from ppnas_mm.registry import MODELS

NET = {'type': 'ppnas_mm.DARTSSuperNet', 'num_cells': 3, 'init_channels': 4, 'combine': 'sum'}


def build(name: str = 'EoiNAS', net: dict | None = None, seed: int = 0, **kwargs: Any) -> Any:
    """A small search that prunes after every epoch."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {'slimming': {'begin': 1, 'interval': 1}, 'warmup_epochs': 0}
    given = (given if name == 'EoiNAS' else {}) | kwargs
    config = {'type': f'ppnas_mm.{name}', 'model': classifier(dict(net or NET)), **given}
    return MODELS.build(config).train()


def run_epochs(algorithm: Any, optimizers: Any, epochs: range, steps: int = 2) -> None:
    """Train, batches the same at each call."""
    for epoch in epochs:
        algorithm.before_epoch(epoch)
        for step in range(steps):
            seed = 100 * epoch + step
            halves = {
                h: classifier_batch(seed=seed + 50 * i) for i, h in enumerate(('train', 'val'))
            }
            algorithm.train_step({h: halves[h] for h in algorithm.uses}, optimizers)
        algorithm.after_epoch(epoch)
        optimizers.forget_pruned()


# -- temperature and draws -------------------------------------------------------------------------


def test_the_temperatures_of_the_papers() -> None:
    ours = Temperature(5.0, 5 * 0.965**139, 160, 'exponential', hold=20)
    for epoch in range(1, 161):  # the authors count from 0
        code = 5.0 if epoch - 1 < 20 else 5 * 0.965 ** (epoch - 1 - 20)
        assert ours(epoch) == pytest.approx(code, rel=1e-9)
    assert ours(160) == pytest.approx(0.035, abs=5e-4) and ours(500) == ours(160)
    assert build(warmup_epochs=20).temperature == ours
    gdas = Temperature()
    assert [gdas(1), gdas(250)] == [10.0, pytest.approx(0.1)]
    assert gdas(126) == pytest.approx(10 - 9.9 * 125 / 249)
    assert build('GDAS').temperature == gdas


@pytest.mark.parametrize('now', [0.04, 1.0, 5.0])
def test_draws_have_the_probabilities_of_the_softmax(now: float) -> None:
    algorithm = build(net={**NET, 'ops': ('skip_connect', 'sep_conv_3x3', 'none')})
    algorithm.now = now
    shares = torch.tensor([0.7, 0.2, 0.1])
    with torch.no_grad():
        for parameter in algorithm.super_net.arch.values():
            parameter.copy_(shares.log() + 3.0)
    drawn = torch.stack([algorithm.draw(False)[1] for _ in range(300)]).flatten()
    found = torch.bincount(drawn, minlength=3) / len(drawn)  # of 8,400 draws
    torch.testing.assert_close(found, shares, atol=0.02, rtol=0)


def test_the_gradient_of_a_draw_is_that_of_the_straight_through_softmax() -> None:
    algorithm = build().double()
    generator = torch.Generator().manual_seed(0)
    for parameter in algorithm.super_net.arch.values():
        parameter.data = torch.randn(8, generator=generator, dtype=torch.double)
    before = algorithm.draws.clone()
    mixture, drawn = algorithm.draw(True)
    algorithm.draws.copy_(before)
    noise = algorithm.gumbel((28, 8)).double()
    for row, choice in enumerate(algorithm.table.choices):
        alpha = algorithm.super_net.arch[choice.name]
        kept, value = mixture(choice, alpha, tuple(range(8)))
        assert kept == (int(drawn[row]),) and float(value) == pytest.approx(1, abs=1e-12)
        (ours,) = torch.autograd.grad(value, alpha, retain_graph=True)
        # eq. 5 and its derivative by hand: dp_i / d alpha_o = p_i ([i = o] - p_o) / T
        z = (alpha.detach() - alpha.detach().logsumexp(0) + noise[row]) / algorithm.now
        p = (z - z.logsumexp(0)).exp()
        assert int(z.argmax()) == kept[0]
        plain = p[kept[0]] * (torch.eye(8)[kept[0]].double() - p) / algorithm.now
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)


def test_soft_weights_are_those_of_equation_5() -> None:
    algorithm = build(hard=False)
    algorithm.super_net.prune('normal/node2/op0', 3)
    before = algorithm.draws.clone()
    mixture, _ = algorithm.draw(True)
    algorithm.draws.copy_(before)
    noise = algorithm.gumbel((28, 8))
    choice = algorithm.super_net.choices['normal/node2/op0']
    alive = (0, 1, 2, 4, 5, 6, 7)
    kept, value = mixture(choice, algorithm.super_net.arch[choice.name], alive)
    row = algorithm.table.choices.index(choice)
    torch.testing.assert_close(value, (noise[row][list(alive)] / algorithm.now).softmax(0))
    assert kept == alive and value.requires_grad


def test_what_is_drawn_equals_computing_every_operation() -> None:
    """Outputs, and gradients of weights and alpha, against all operations times one-hot scales."""
    results = []
    for plain in (False, True):
        algorithm = build(seed=3).double()
        data = algorithm.half({'val': classifier_batch()}, 'val')
        data['inputs'] = data['inputs'].double()
        if plain:
            with every_operation():
                loss = algorithm.drawn_loss(data, True)[0]
        else:
            loss = algorithm.drawn_loss(data, True)[0]
        loss.backward()
        named = dict(algorithm.named_parameters())
        results.append((loss, {n: p.grad for n, p in named.items()}))
    (one, mine), (two, theirs) = results
    torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
    assert sum(g is not None for g in mine.values()) < sum(g is not None for g in theirs.values())
    for name, gradient in theirs.items():
        other = mine[name] if mine[name] is not None else torch.zeros_like(gradient)
        torch.testing.assert_close(other, gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_only_what_is_drawn_is_computed() -> None:
    algorithm = build().eval()
    x = images(1, 3, 32, 32)
    counts = []
    for op in (5, 7):  # dil_conv_3x3 on all edges, none on all edges
        with torch.no_grad():
            for parameter in algorithm.super_net.arch.values():
                parameter.copy_(50.0 * torch.eye(8)[op])
        algorithm.super_net.mixture = algorithm.draw(False)[0]
        counts.append(count_multiplications(algorithm.super_net, x))
    stem_and_preprocessing = counts[1]
    algorithm.super_net.mixture = algorithm.draw(False)[0]
    # 14 edges a cell, depthwise 3x3 and pointwise; 4, 8 and 16 channels (cuts at cells 1 and 2)
    per_pixel = [14 * (9 * c + c * c) for c in (4, 8, 16)]
    pixels = [32 * 32, 16 * 16, 8 * 8]
    assert counts[0] - stem_and_preprocessing == sum(np.multiply(per_pixel, pixels))


# -- indicator and chain ---------------------------------------------------------------------------


def test_the_indicator_is_equations_8_to_10() -> None:
    rng = np.random.default_rng(0)
    rows, columns, steps = 3, 4, 5
    module = OperationImportance(rows, columns)
    events: list[list[tuple]] = [[] for _ in range(rows)]
    alive = torch.ones(rows, columns, dtype=torch.bool)
    alive[0, 2] = alive[1, 0] = False
    for epoch in range(6):
        module.start_epoch()
        for _ in range(steps):
            drawn = [int(rng.choice(np.flatnonzero(alive[r].numpy()[:3]))) for r in range(rows)]
            module.count_training(torch.tensor(drawn))
            later = [int(rng.choice(np.flatnonzero(alive[r].numpy()[:3]))) for r in range(rows)]
            share = float(rng.random())
            module.count_accuracy(torch.tensor(later), torch.tensor(share))
            for r in range(rows):
                events[r] += [(epoch, 'train', drawn[r], 0), (epoch, 'val', later[r], share)]
        module.finish_epoch()
        beta = torch.rand(rows, columns, dtype=torch.double).masked_fill(~alive, 0)
        found = module(beta, alive)
        for r in range(rows):
            mine = {o: float(beta[r, o]) for o in range(columns) if alive[r, o]}
            plain = plain_indicator(events[r], steps, mine)
            assert {o: pytest.approx(v, rel=1e-6) for o, v in plain.items()} == {
                o: float(found[r, o]) for o in mine
            }
            assert float(found[r].masked_fill(alive[r], 0).abs().sum()) == 0
    module.on_pruning()
    assert not module.trained.any() and module.accuracy.any()


def test_other_readings_of_the_indicator() -> None:
    beta = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.double)
    alive = torch.ones(1, 3, dtype=torch.bool)
    drawn = [torch.tensor([i]) for i in (0, 0, 0, 1)]

    def indicator(**options: Any) -> list[float]:
        module = OperationImportance(1, 3, **options)
        for d, accuracy in zip(drawn, (0.2, 0.4, 0.9, 0.6), strict=True):
            module.count_training(d)
            module.count_accuracy(d, torch.tensor(accuracy))
        module.finish_epoch()
        return module(beta, alive)[0].tolist()

    # E = 3/4 and 1/4 epochs; A = 0.5 and 0.6
    c = np.array([0.5 / 0.75, 0.6 / 0.25, (0.5 / 0.75 + 0.6 / 0.25) / 2])
    softmax = np.exp(c) / np.exp(c).sum()
    assert indicator() == pytest.approx(softmax + 0.5 * beta[0].numpy())
    assert indicator(kind='beta') == pytest.approx(beta[0].numpy())
    code = dict(kind='code', accuracy='last', scale=100.0, unit='steps', unsampled='zero')
    assert indicator(**code) == pytest.approx([0.2 + 0.5 * 90 / 3, 0.3 + 0.5 * 60 / 1, 0.5])
    for option in ('kind', 'accuracy', 'unit', 'unsampled'):
        with pytest.raises(ValueError, match=rf"indicator\.{option}='x'"):
            OperationImportance(1, 3, **{option: 'x'})


def test_the_chain_is_equation_11_written_out() -> None:
    rng = np.random.default_rng(1)
    chain, plain = LiveDie(2, 3), [[PlainChain() for _ in range(3)] for _ in range(2)]
    for step in range(90):
        change = rng.normal(size=(2, 3)) + np.array([[0.8, -0.8, 0], [2, -2, 0]])
        change[rng.random((2, 3)) < 0.1] = 1e-7  # within the dead band
        progress = min(1.0, step / 70)
        chain.step(torch.tensor(change), progress)
        states = np.array([[p.step(c, progress) for p, c in zip(*r, strict=True)]
                           for r in zip(plain, change, strict=True)])  # fmt: skip
        np.testing.assert_allclose(chain.live[0].numpy(), states[..., 0], rtol=1e-12)
        np.testing.assert_allclose(chain.die.numpy(), states[..., 1], rtol=1e-12)
        q = np.array([[p.matrices[-1] for p in row] for row in plain])
        np.testing.assert_allclose(q.sum(-1), 1)
        assert q.min() >= 0 and q.max() <= 1
    assert chain.counts.abs().max() == 24  # the bound was reached


@pytest.mark.parametrize(('count', 'live'), [(20, 0.875), (-20, 0.25), (0, 0.5)])
def test_the_fixed_points_of_the_chain(count: int, live: float) -> None:
    chain = LiveDie(1, 1)
    for _ in range(abs(count)):
        chain.step(torch.tensor([[float(np.sign(count))]]), 0.0)
    for _ in range(200):
        chain.step(torch.zeros(1, 1), 0.0)
    assert float(chain.live[0]) == pytest.approx(live, abs=1e-9)


def test_other_readings_of_the_chain() -> None:
    late, padded = LiveDie(1, 1, newest=False), LiveDie(1, 1, pad=True)
    up = torch.ones(1, 1)
    late.step(up, 0.0)
    assert float(late.live[0]) == 0.5 and float(late.counts[0]) == 1
    padded.step(up, 0.0)
    assert float(padded.live[0]) == pytest.approx(0.25 * (0.5 * 0.52 + 0.5 * 0.51) + 0.75 * 0.5)
    with pytest.raises(ValueError, match='sigma_end'):
        LiveDie(1, 1, sigma_end=(0.5, 0.3, 0.1, 0.2))
    with pytest.raises(ValueError, match='probabilities leave'):
        LiveDie(1, 1, max_count=30)
    late.reset()
    assert float(late.counts.abs().sum()) == 0 and int(late.known) == 1


# -- pruning ---------------------------------------------------------------------------------------


class Net:
    """What Slimming asks of a super-net; candidate 2 may only be mixed."""

    def __init__(self, **alive: tuple[int, ...]) -> None:
        self.alive = alive

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        return self.alive[name]

    def keepable(self, name: str) -> tuple[int, ...]:
        return tuple(i for i in self.alive[name] if i != 2)


def test_which_operation_is_pruned() -> None:
    net: Any = Net(a=(0, 1, 2), b=(0, 2), c=(1,))
    die = {'a': [0.4, 0.6, 0.5], 'b': [0.9, 0, 0.1], 'c': [0, 0.9, 0]}
    even = {name: [0.0] * 3 for name in die}
    assert Slimming().worst(net, die, even) == [('a', 1), ('b', 2)]  # b: none goes at the last
    assert Slimming(none_first=True).worst(net, die, even) == [('a', 2), ('b', 2)]
    # of all edges: the two worst, of which b can only lose none, and c nothing
    assert Slimming(scope='all').worst(net, die, even) == [('a', 1), ('a', 2)]
    tied = {name: [0.5] * 3 for name in die}
    importance = {'a': [0.3, 0.1, 0.2], 'b': [0] * 3, 'c': [0] * 3}
    assert Slimming().worst(net, tied, importance)[0] == ('a', 1)
    assert Slimming(tie='index').worst(net, tied, importance)[0] == ('a', 0)


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


@pytest.mark.parametrize('space', sorted(SPACES))
def test_every_space_is_slimmed(space: str) -> None:
    algorithm = build(net=SPACES[space])
    optimizers = search_optimizers(algorithm)
    run_epochs(algorithm, optimizers, range(1, 9), steps=1)
    assert algorithm.decided
    assert algorithm.derive(strict=False).space == space


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


def test_the_accuracy_is_the_heads_or_the_likelihood() -> None:
    for accuracy in ('head', 'loss'):
        algorithm = build('GDAS', accuracy=accuracy)
        data = algorithm.half({'val': classifier_batch(number=5)}, 'val')
        with captured(algorithm.model, ['head.fc']) as outputs:
            loss, found, _ = algorithm.drawn_loss(data, True)
        right = (outputs['head.fc'].argmax(1) == torch.tensor([0, 1, 2, 0, 1])).double().mean()
        expected = 100 * right if accuracy == 'head' else 100 * torch.exp(-loss.detach())
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match="accuracy='x'"):
        build('GDAS', accuracy='x')


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
    algorithm = build(warmup_epochs=1)
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
        ({'warmup_epochs': -1}, 'expected 0 < end|negative'),
        ({'slimming': {'interval': 0}}, 'below 1'),
        ({'slimming': {'scope': 'net'}}, 'scope'),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
