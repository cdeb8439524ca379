"""The parts of EoiNAS: indicator, Markov chain and the choice of what is pruned."""

from typing import Any

import numpy as np
import pytest
import torch
from plain_markov import PlainChain, plain_indicator

from ppnas_mm.algorithms.importance import OperationImportance
from ppnas_mm.algorithms.markov import LiveDie
from ppnas_mm.algorithms.slimming import Slimming


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
    # of all edges: the two worst, of which b can only lose none, and c nothing
    assert Slimming(scope='all').worst(net, die, even) == [('a', 1), ('a', 2)]
    tied = {name: [0.5] * 3 for name in die}
    importance = {'a': [0.3, 0.1, 0.2], 'b': [0] * 3, 'c': [0] * 3}
    assert Slimming().worst(net, tied, importance)[0] == ('a', 1)
    assert Slimming(tie='index').worst(net, tied, importance)[0] == ('a', 0)


def test_with_constant_accuracies_the_chain_gives_up_the_best_operations() -> None:
    """What docs/design.md says follows from rows a, j and k: the paper's reading, not our wish."""
    rng = np.random.default_rng(0)
    rows, columns, steps = 200, 8, 390
    shares = np.linspace(0.35, 0.7, columns)
    accuracy = torch.tensor(np.stack([rng.permutation(shares) for _ in range(rows)]))
    module, chain = OperationImportance(rows, columns), LiveDie(rows, columns)
    beta = torch.full((rows, columns), 1 / columns, dtype=torch.double)
    alive, before = torch.ones(rows, columns, dtype=torch.bool), None
    for _ in range(20):  # epochs, as between the prunings of the paper
        module.start_epoch()
        for _ in range(steps):
            module.count_training(torch.tensor(rng.integers(0, columns, rows)))
            drawn = torch.tensor(rng.integers(0, columns, rows))
            module.correct[torch.arange(rows), drawn] += accuracy[torch.arange(rows), drawn]
            module.seen[torch.arange(rows), drawn] += 1
        module.finish_epoch()
        now = module(beta, alive)
        chain.step(torch.zeros_like(now) if before is None else now - before, 0.0)
        before = now
    best = accuracy.argmax(1)
    assert float((now.argmax(1) == best).double().mean()) > 0.85  # importance knows the best,
    assert float((chain.die.argmax(1) == best).double().mean()) > 0.5  # but it goes first
