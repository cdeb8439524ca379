"""Selection under constraint, against brute force."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from ppnas_mm.algorithms.selection import (
    Evaluated,
    Evolution,
    enumerate_paths,
    evolve,
    select,
    space_size,
)
from ppnas_mm.costs.limits import ConstraintError, Limit

Path = dict[str, tuple[int, ...]]


class Knapsack:
    """A space whose accuracies and costs are sums; it counts what is asked of it."""

    def __init__(self, seed: int, edges: int = 6, ops: int = 4) -> None:
        rng = np.random.default_rng(seed)
        self.names = [f'cell/node{i}/op' for i in range(edges)]
        self.genes: dict[str, Any] = {name: [(i,) for i in range(ops)] for name in self.names}
        self.value, self.weight = rng.random((2, edges, ops))
        self.asked: list[tuple] = []
        self.costed: list[tuple] = []

    def total(self, table: np.ndarray, path: Any) -> float:
        return float(sum(table[i, path[name][0]] for i, name in enumerate(self.names)))

    def evaluate(self, path: Any) -> float:
        self.asked.append(tuple(path.items()))
        return self.total(self.value, path)

    def cost(self, path: Any) -> float:
        self.costed.append(tuple(path.items()))
        return self.total(self.weight, path)

    def brute_force(self, low: float, high: float) -> tuple[float, dict[tuple, float]]:
        """Return the best accuracy, and the accuracies of all paths within the range."""
        found = {}
        for ops in itertools.product(range(self.value.shape[1]), repeat=len(self.names)):
            weight = sum(self.weight[i, op] for i, op in enumerate(ops))
            if low <= weight <= high:
                key = tuple(zip(self.names, ((op,) for op in ops), strict=True))
                found[key] = float(sum(self.value[i, op] for i, op in enumerate(ops)))
        return max(found.values()), found

    def limit(self, share: float, low: float | None = None) -> Limit:
        """A limit at a share of the way from the cheapest to the most expensive."""
        least, most = self.weight.min(1).sum(), self.weight.max(1).sum()
        return Limit('flops', low, float(least + share * (most - least)), self.cost)


@pytest.mark.parametrize('low', [None, 1.2])
def test_enumeration_is_brute_force(low: float | None) -> None:
    space = Knapsack(0, edges=4, ops=5)
    limit = space.limit(0.4, low)
    found = select(space.genes, None, space.evaluate, [limit], np.random.default_rng(0))
    assert limit.high is not None
    best, legal = space.brute_force(low or 0, limit.high)
    assert found.method == 'enumeration' and found.accuracy == pytest.approx(best)
    assert 10 < len(legal) < 5**4 and sorted(space.asked) == sorted(legal)
    assert len(space.costed) == 5**4
    assert legal[tuple(found.path.items())] == pytest.approx(best)
    for entry in found.evaluated:
        assert entry.accuracy == pytest.approx(legal[tuple(entry.path.items())])
        assert entry.costs == {'flops': pytest.approx(space.total(space.weight, entry.path))}


def test_evolution_finds_the_optimum_nearly_always() -> None:
    """With 500 of about 2000 legal architectures; as many random ones would one time in four."""
    hits = 0
    for seed in range(10):
        space, rng = Knapsack(seed), np.random.default_rng(seed)
        limit = space.limit(0.5)
        found = select(space.genes, None, space.evaluate, [limit], rng, generations=10)
        assert limit.high is not None
        best, legal = space.brute_force(0, limit.high)
        assert found.method == 'evolution' and len(found.evaluated) == 500 < len(legal) / 2
        assert len(set(space.asked)) == len(space.asked) == len(found.evaluated)
        assert set(space.asked) <= set(legal), 'only what is legal is evaluated'
        assert len(set(space.costed)) == len(space.costed)
        assert found.accuracy == max(entry.accuracy for entry in found.evaluated)
        hits += found.accuracy == pytest.approx(best)
    assert hits >= 9


def test_evolution_beats_as_many_random_draws() -> None:
    """4^12 architectures: beyond enumeration; the mean of a generation rises, too."""
    wins = []
    for seed in range(2):
        space = Knapsack(seed, edges=12)
        limit, rng = space.limit(0.45), np.random.default_rng(seed)
        found = select(space.genes, None, space.evaluate, [limit], rng)
        assert len(found.evaluated) == 1000
        legal, other = [], Knapsack(seed, edges=12)
        while len(legal) < 1000:
            path = {name: (int(rng.integers(4)),) for name in space.names}
            if limit.ok(path):
                legal.append(other.evaluate(path))
        values = [entry.accuracy for entry in found.evaluated]
        assert np.mean(values[-200:]) > np.mean(values[:50]) + 0.5
        wins.append(found.accuracy > max(legal))
    assert all(wins)


def test_the_same_seed_gives_the_same_search() -> None:
    def run(seed: int) -> list[Evaluated]:
        space = Knapsack(1)
        limits, rng = [space.limit(0.3)], np.random.default_rng(seed)
        return select(space.genes, None, space.evaluate, limits, rng, generations=4).evaluated

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_settings_are_those_of_spos() -> None:
    """Generations of 50; children have their genes from the ten best, but for mutations."""
    space, seen = Knapsack(2, edges=30, ops=9), []
    rng = np.random.default_rng(0)

    def draw(name: str, rng: np.random.Generator) -> tuple[int, ...]:
        return (int(rng.integers(9)),)

    def progress(number: int, entry: Evaluated) -> None:
        assert number == len(seen) + 1
        seen.append(entry)

    found = evolve(space.names, draw, space.evaluate, [], rng, None, progress)
    assert found == seen and len(found) == 1000
    changed = []
    for start in range(50, 400, 50):  # later parents are too much alike for 25 new children
        best = sorted(found[:start], key=lambda entry: -entry.accuracy)[:10]
        for k, child in enumerate(found[start : start + 50]):
            pairs = [
                sum(child.path[n] not in (one.path[n], two.path[n]) for n in space.names)
                for one, two in itertools.combinations(best, 2)
            ]
            if k < 25:
                assert min(pairs) == 0, 'crossover of two of the best'
            else:
                changed.append(
                    min(sum(child.path[n] != one.path[n] for n in space.names) for one in best)
                )
    # 30 genes, 0.1 each, of 9 draws one is the same; no child without a change
    assert np.mean(changed) == pytest.approx(30 * 0.1 * 8 / 9, rel=0.1)


def test_equal_architectures_are_evaluated_once() -> None:
    """A node reads two of four; the operations of edges that it does not read do not matter."""
    gates, names = 'c/node4/inputs', [f'c/node4/op{i}' for i in range(4)]
    genes: dict[str, Any] = {gates: list(itertools.combinations(range(4), 2))}
    genes |= {name: [(0,), (1,), (2,)] for name in names}
    asked: list[tuple] = []

    def canonical(path: Any) -> Any:
        if path[gates] == (0, 1):
            return None  # say, degenerate
        return {gates: path[gates], **{names[i]: path[names[i]] for i in path[gates]}}

    def evaluate(path: Any) -> float:
        asked.append(tuple(path.items()))
        return sum(i * (1 + path[names[i]][0]) for i in path[gates]) / 10

    for method, limit_ in (('enumeration', 54), ('evolution', 53)):
        asked.clear()
        found = select(genes, None, evaluate, [], np.random.default_rng(0), canonical, 54, limit_)
        assert found.method == method
        assert len(asked) == len(set(asked)) == 5 * 9
        assert found.path == {gates: (2, 3), names[2]: (2,), names[3]: (2,)}
        assert found.accuracy == pytest.approx(1.5)


def test_gates_that_are_only_drawn() -> None:
    def draw(name: str, rng: np.random.Generator) -> tuple[int, ...]:
        assert name in ('a', 'b')
        kept = rng.choice(6, 2, replace=False) if name == 'a' else rng.integers(3, size=1)
        return tuple(sorted(map(int, kept)))

    def evaluate(path: Any) -> float:
        return sum(path['a']) + path['b'][0]

    def count(path: Any) -> float:
        return float(path['a'][1])

    genes = {'a': None, 'b': [(0,), (1,), (2,)]}
    limits = [Limit('params', None, 4, count)]
    found = select(genes, draw, evaluate, limits, np.random.default_rng(0))
    assert found.method == 'evolution' and len(found.evaluated) == 10 * 3  # all there are
    assert found.path == {'a': (3, 4), 'b': (2,)} and found.accuracy == 9
    assert found.evaluated[0].costs.keys() == {'params'}


def test_two_limits_hold_together() -> None:
    space = Knapsack(4)

    def steps(path: Any) -> float:
        return float(sum(kept[0] for kept in path.values()))

    limits = [space.limit(0.5), Limit('latency', 8, 9, steps)]
    for up_to in (5000, 0):
        found = select(
            space.genes, None, space.evaluate, limits, np.random.default_rng(0),
            enumerate_up_to=up_to,
        )  # fmt: skip
        assert limits[0].high is not None
        _, legal = space.brute_force(0, limits[0].high)
        both = {k: v for k, v in legal.items() if 8 <= sum(kept[0] for _, kept in k) <= 9}
        assert {tuple(e.path.items()) for e in found.evaluated} <= set(both)
        assert found.accuracy == pytest.approx(max(both.values()))


@pytest.mark.parametrize('enumerate_up_to', [5000, 0])
def test_limits_that_nothing_satisfies(enumerate_up_to: int) -> None:
    space = Knapsack(5)
    least, most = space.weight.min(1).sum(), space.weight.max(1).sum()
    limits = [Limit('flops', 100, None, space.cost)]
    rng = np.random.default_rng(0)
    with pytest.raises(ConstraintError, match='flops from 100 to inf') as caught:
        select(
            space.genes, None, space.evaluate, limits, rng, enumerate_up_to=enumerate_up_to,
            tries=200,
        )  # fmt: skip
    assert f'seen: {least:,g} to {most:,g}' in str(caught.value)
    assert 'none of 4,0' in str(caught.value) and not space.asked
    with pytest.raises(ConstraintError, match='none of 0 different'):
        select(space.genes, None, space.evaluate, limits, rng, lambda path: None)


def test_sizes_and_lists() -> None:
    genes = {'a': [(0,), (2,)], 'b': [(0, 1), (0, 2), (1, 2)]}
    assert space_size(genes) == 6 and space_size(genes | {'c': None}) == math.inf
    paths = list(enumerate_paths(genes, 6))
    assert paths[:2] == [{'a': (0,), 'b': (0, 1)}, {'a': (0,), 'b': (0, 2)}]
    assert len({tuple(path.items()) for path in paths}) == 6
    with pytest.raises(ValueError, match=r'6 paths: expected .* at most 5'):
        enumerate_paths(genes, 5)
    with pytest.raises(ValueError, match='lists of values'):
        enumerate_paths(genes | {'c': None})


def test_bad_input_is_named() -> None:
    space, rng = Knapsack(0), np.random.default_rng(0)
    for name, low, high, text in (
        ('time', 0, 1, "limit 'time': expected one of"),
        ('flops', 2, 1, 'limit flops: low=2, high=1'),
        ('flops', None, None, 'limit flops: low=None, high=None'),
        ('flops', math.nan, 1, 'limit flops: low=nan'),
    ):
        with pytest.raises(ValueError, match=text):
            Limit(name, low, high, space.cost)
    for settings, text in (
        ({'population': 0}, 'population=0: expected 1'),
        ({'generations': 0}, 'generations=0'),
        ({'parents': 0}, 'parents=0'),
        ({'tries': 0}, 'tries=0'),
        ({'crossover': -1}, 'crossover=-1'),
        ({'mutation': 26}, 'mutation=26: .* population=50'),
        ({'probability': 1.5}, 'probability=1.5'),
    ):
        with pytest.raises(ValueError, match=text):
            Evolution(**settings)
        with pytest.raises(ValueError, match=text):
            select(space.genes, None, space.evaluate, [], rng, **settings)
    for genes in ({'a': []}, {'a': None}):
        with pytest.raises(ValueError, match="gene 'a' has no values"):
            select(genes, None, space.evaluate, [], rng)
    with pytest.raises(ValueError, match='expected one for each name'):
        select(space.genes, None, space.evaluate, [space.limit(0.5), space.limit(0.6)], rng)
    with pytest.raises(ValueError, match='is NaN'):
        select({'a': [(0,)]}, None, lambda path: math.nan, [], rng)
