"""The parts of EoiNAS: indicator, Markov chain and the choice of what is pruned."""

from typing import Any

import numpy as np
import pytest
import torch
from plain_markov import PlainChain, plain_indicator

from ppnas_mm.algorithms.eoinas.importance import OperationImportance
from ppnas_mm.algorithms.eoinas.markov import SIGMA_END, SIGMA_START, LiveDie
from ppnas_mm.algorithms.eoinas.slimming import Slimming


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
            share = float(rng.random()) if rng.random() < 0.8 else 0.0
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
    before = module.trained.clone()
    module.on_pruning()  # Algorithm 1 never resets E
    assert torch.equal(module.trained, before) and before.any()
    module.forget = True  # as the authors' code
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


@pytest.mark.parametrize('against', ['edge', 'before'])
def test_the_chain_is_equation_11_written_out(against: str) -> None:
    rng = np.random.default_rng(1)
    chain, plain = LiveDie(2, 3, against), [[PlainChain() for _ in range(3)] for _ in range(2)]
    alive, before = np.ones((2, 3), dtype=bool), None
    indicator = np.array([[0.5, 0.3, 0.1], [0.2, 0.4, 0.3]])
    for step in range(90):
        if step == 60:
            alive[1, 0] = False
        # drifts apart, stays within the dead band, goes anywhere
        indicator = np.abs(indicator + rng.normal(size=(2, 3)) + [[0.8, 0, 0], [2, 0, 0]])
        if before is not None:
            indicator = np.where(rng.random((2, 3)) < 0.1, before + 1e-7, indicator)
        indicator[~alive] = 0
        progress = min(1.0, step / 70)
        chain.step(torch.tensor(indicator), torch.tensor(alive), progress)
        for r in range(2):
            living = [o for o in range(3) if alive[r, o]]
            mean = sum(indicator[r, o] for o in living) / len(living)
            for o in living:
                known = against == 'before' and before is not None
                change = indicator[r, o] - (before[r, o] if known else mean)
                state = plain[r][o].step(change, progress)
                assert float(chain.live[0][r, o]) == pytest.approx(state[0], rel=1e-12)
                assert float(chain.die[r, o]) == pytest.approx(state[1], rel=1e-12)
                q = plain[r][o].matrices[-1]
                np.testing.assert_allclose(q.sum(-1), 1)
                assert q.min() >= 0 and q.max() <= 1
        before = indicator
    if against == 'edge':
        assert chain.counts.abs().max() == 24  # the bound was reached


def test_the_first_change_counts_from_the_uniform_start() -> None:
    """Before any training S and beta are 1 / n each, so I is (1 + lambda) / n."""
    n, weight = 4, 0.5
    alive = torch.ones(1, n, dtype=torch.bool)
    beta = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).double()
    module = OperationImportance(1, n, weight=weight)
    for op, accuracy in enumerate((0.2, 0.9, 0.6, 0.3)):
        module.count_training(torch.tensor([op]))
        module.count_accuracy(torch.tensor([op]), torch.tensor(accuracy))
    module.finish_epoch()
    indicator = module(beta, alive)
    chain = LiveDie(1, n, 'before')
    chain.step(indicator, alive, 0.0)
    start = (1 + weight) / n
    assert chain.counts[0, 0].tolist() == [1.0 if v > start else -1.0 for v in indicator[0]]
    assert len(set(chain.counts[0, 0].tolist())) == 2


@pytest.mark.parametrize(('count', 'live'), [(20, 0.875), (-20, 0.25), (0, 0.5)])
def test_the_fixed_points_of_the_chain(count: int, live: float) -> None:
    chain, both = LiveDie(1, 2), torch.ones(1, 2, dtype=torch.bool)
    for _ in range(abs(count)):
        chain.step(torch.tensor([[1.0 + np.sign(count), 1.0]]), both, 0.0)
    for _ in range(200):
        chain.step(torch.ones(1, 2), both, 0.0)
    assert float(chain.live[0, 0, 0]) == pytest.approx(live, abs=1e-9)


def test_the_chain_keeps_equation_12_and_probabilities() -> None:
    for sigmas in (SIGMA_START, SIGMA_END):
        assert min(sigmas) >= 0 and sum(sigmas) == pytest.approx(1)
    with pytest.raises(ValueError, match='probabilities leave'):
        LiveDie(1, 1, epsilon=(0.021, 0.01))
    with pytest.raises(ValueError, match=r"chain\.against='mean': expected one of"):
        LiveDie(1, 1, 'mean')


def test_without_steps_of_q_the_lowest_indicator_goes() -> None:
    """The authors' code has no chain: all states stay equal to the last bit."""
    rng = np.random.default_rng(0)
    chain = LiveDie(50, 8, epsilon=(0, 0))
    alive = torch.ones(50, 8, dtype=torch.bool)
    for step in range(20):
        indicator = torch.tensor(rng.random((50, 8)))
        chain.step(indicator, alive, step / 20)
    assert len(chain.die.unique()) == 1
    net: Any = Net(**{f'e{i}': tuple(range(8)) for i in range(50)})
    net.keepable = net.alive_candidates
    tables = [{f'e{i}': row for i, row in enumerate(t.tolist())} for t in (chain.die, indicator)]
    lowest = indicator.argmin(1).tolist()
    assert Slimming().worst(net, *tables) == [(f'e{i}', o) for i, o in enumerate(lowest)]


def test_a_checkpoint_holds_what_outlives_an_epoch() -> None:
    assert set(OperationImportance(2, 3).state_dict()) == {'accuracy', 'trained'}


def test_an_accuracy_of_zero_is_known() -> None:
    module = OperationImportance(1, 3)
    for op, accuracy in ((0, 0.0), (1, 0.4)):
        module.count_training(torch.tensor([op]))
        module.count_accuracy(torch.tensor([op]), torch.tensor(accuracy))
    module.finish_epoch()
    found = module(torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool))[0]
    c = torch.tensor([0.0, 0.8, 0.4])  # E is half an epoch; 2 was never drawn: the mean
    torch.testing.assert_close(found, c.double().softmax(0), check_dtype=False)


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
    tied = {name: [0.5] * 3 for name in die}
    importance = {'a': [0.3, 0.1, 0.2], 'b': [0] * 3, 'c': [0] * 3}
    assert Slimming().worst(net, tied, importance)[0] == ('a', 1)


def first_to_go(steps: int = 390, epochs: int = 20, **options: Any) -> tuple[float, float, float]:
    """The shares of edges whose best by I, best and worst operation of eight goes first.

    Accuracies are constant and draws uniform, as with beta at its start.
    """
    rng = np.random.default_rng(0)
    rows, columns, step = 200, 8, options.pop('step', 1)
    shares = np.linspace(0.35, 0.7, columns)
    accuracy = torch.tensor(np.stack([rng.permutation(shares) for _ in range(rows)]))
    module, chain = OperationImportance(rows, columns), LiveDie(rows, columns, **options)
    beta = torch.full((rows, columns), 1 / columns, dtype=torch.double)
    alive, spots = torch.ones(rows, columns, dtype=torch.bool), torch.arange(rows)
    for epoch in range(1, epochs + 1):
        module.start_epoch()
        for _ in range(steps):
            module.count_training(torch.tensor(rng.integers(0, columns, rows)))
            drawn = torch.tensor(rng.integers(0, columns, rows))
            module.count_accuracy(drawn, accuracy[spots, drawn])
        module.finish_epoch()
        now = module(beta, alive)
        if epoch % step == 0:
            chain.step(now, alive, 0.0)
    net: Any = Net(**{f'e{i}': tuple(range(columns)) for i in range(rows)})
    net.keepable = net.alive_candidates
    tables = [{f'e{i}': row for i, row in enumerate(t.tolist())} for t in (chain.die, now)]
    gone = torch.tensor([op for _, op in Slimming().worst(net, *tables)])
    best, worst = accuracy.argmax(1), accuracy.argmin(1)
    where = (now.argmax(1) == best, gone == best, gone == worst)
    return tuple(float(w.double().mean()) for w in where)


def test_with_constant_accuracies_the_worst_operations_go_first() -> None:
    known, best, worst = first_to_go()
    assert known > 0.85 and best <= 0.01 and worst >= 0.95


def test_against_the_step_before_the_best_operations_go_first() -> None:
    """Why this reading is no default: E only grows, so what has the largest S falls fastest."""
    known, best, worst = first_to_go(against='before')
    assert known > 0.85 and best > 0.5 and worst < 0.05
    # the paper's own step, one pruning, is the first change: from the uniform start
    known, best, worst = first_to_go(against='before', step=20)
    assert best <= 0.01
