"""Searches that query a table, against a plain re-implementation over the same draws."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_tables import SETS, cells_of, made_scores, made_table, write_cells, write_macro
from nb201 import OPS
from oneshot import batches
from tasks import classifier
from zoo import SPACES

from ppnas_mm.costs.limits import ConstraintError, Limits
from ppnas_mm.registry import MODELS
from ppnas_mm.tables import NASBench201Table, NASBenchMacroTable, TableError

MACRO = SPACES['nasbench-macro']
CELLS = {**SPACES['nasbench201'], 'ops': OPS}


def build(table: Any, net: dict = MACRO, torch_seed: int = 0, **kwargs: Any) -> Any:
    """A search by a table."""
    torch.manual_seed(torch_seed)
    given = dict(type='ppnas_mm.TableSearch', model=classifier(net), table=str(table), seed=4)
    return MODELS.build({**given, 'dataset': 'cifar10', **kwargs})


def easy(folder: Path) -> tuple[Path, dict[str, float]]:
    """A table in which each block counts for itself: evolution climbs it."""
    rng = np.random.default_rng(5)
    worth = rng.uniform(0, 10, (8, 3))
    scores = {
        cell: float(sum(worth[b, int(d)] for b, d in enumerate(cell)))
        for cell in cells_of('nasbench-macro')
    }
    path = folder / 'easy.json'
    write_macro(path, {cell: (value,) * 3 for cell, value in scores.items()})
    return path, scores


def digits(genotype: Any) -> str:
    """The string of a network."""
    return NASBenchMacroTable.encode(genotype)


def watched(algorithm: Any) -> list[str]:
    """The architectures that are queried from now on, in order."""
    seen: list[str] = []
    real = algorithm.truth.accuracy

    def accuracy(genotype: Any, dataset: str) -> float:
        seen.append(algorithm.truth.encode(genotype))
        return real(genotype, dataset)

    algorithm.truth.accuracy = accuracy
    return seen


# -- a part of a space -----------------------------------------------------------------------------


@pytest.mark.parametrize('method', ['random', 'evolution'])
def test_a_table_may_have_a_part_of_the_architectures(method: str, tmp_path: Path) -> None:
    path, scores = easy(tmp_path)
    part = {cell: (scores[cell],) * 3 for cell in list(scores)[::2]}
    write_macro(path, part)
    algorithm = build(path, method=method, queries=60, population=20, sample=5)
    seen = watched(algorithm)
    found = digits(algorithm.super_net.to_genotype(algorithm.choose()))
    assert len(seen) == 60 and set(seen) <= set(part)
    assert scores[found] == max(scores[cell] for cell in seen)


def test_a_table_without_any_of_the_draws_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    path, scores = easy(tmp_path)
    write_macro(path, {'00000000': (scores['00000000'],) * 3})
    monkeypatch.setattr('ppnas_mm.algorithms.table_search.DRAWS', 5)
    with pytest.raises(TableError, match=r'easy\.json: it has none of 5 random architectures'):
        build(path, queries=3).choose()


# -- random ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('dataset', SETS)
def test_random_keeps_the_best_of_its_queries(dataset: str) -> None:
    algorithm = build(
        made_table('nasbench201'), CELLS, method='random', queries=40, dataset=dataset
    )
    rng = np.random.default_rng(np.random.SeedSequence([4, 0]))
    net = algorithm.super_net
    drawn = [NASBench201Table.encode(net.random_genotype(rng, False)) for _ in range(40)]
    values = [made_scores('nasbench201')[cell][SETS.index(dataset)] for cell in drawn]
    seen = watched(algorithm)
    found = NASBench201Table.encode(algorithm.derive(strict=False))
    assert seen == drawn and len(set(drawn)) > 35
    assert found == drawn[int(np.argmax(values))]


def test_the_named_data_set_is_queried() -> None:
    found = [
        build(made_table('nasbench201'), CELLS, method='random', dataset=name).derive(strict=False)
        for name in (*SETS, 'cifar10')
    ]
    assert found[1] == found[2] != found[0]


def test_the_first_of_equals_is_kept(tmp_path: Path) -> None:
    write_cells(tmp_path / 'table.csv', dict.fromkeys(cells_of('nasbench201'), (50.0,)), SETS[1:])
    algorithm = build(tmp_path / 'table.csv', CELLS, queries=9, population=3, sample=2)
    seen = watched(algorithm)
    assert NASBench201Table.encode(algorithm.derive(strict=False)) == seen[0]
    assert len(seen) == 9


# -- evolution -------------------------------------------------------------------------------------


def plain_evolution(
    score: Callable[[str], float],
    draw: Callable[[], str],
    rng: np.random.Generator,
    sizes: tuple[int, int, int],
    ok: Callable[[str], bool] = lambda cell: True,
) -> list[str]:
    """Regularised evolution on strings of digits; return all that it looks at, in order."""
    queries, population, sample = sizes
    alive: list[str] = []  # the oldest first
    history: list[str] = []
    while len(history) < queries:
        if len(alive) < population:
            child = draw()
        else:
            places = [int(i) for i in rng.choice(population, sample, replace=False)]
            best = places[0]
            for place in places[1:]:
                if score(alive[place]) > score(alive[best]):
                    best = place
            while True:
                block = int(rng.integers(8))
                others = [d for d in '012' if d != alive[best][block]]
                digit = others[int(rng.choice([0, 1]))]
                child = alive[best][:block] + digit + alive[best][block + 1 :]
                if ok(child):
                    break
        history.append(child)
        alive.append(child)
        if len(alive) > population:
            alive = alive[1:]
    return history


@pytest.mark.parametrize('sizes', [(60, 10, 3), (40, 1, 1), (50, 7, 7), (5, 20, 4)])
def test_evolution_is_regularised_evolution(sizes: tuple[int, int, int], tmp_path: Path) -> None:
    path, scores = easy(tmp_path)
    queries, population, sample = sizes
    algorithm = build(path, queries=queries, population=population, sample=sample)
    seen = watched(algorithm)
    found = digits(algorithm.derive())
    rng = np.random.default_rng(np.random.SeedSequence([4, 0]))
    net = algorithm.super_net

    def draw() -> str:
        return digits(net.random_genotype(rng, constrained=False))

    expected = plain_evolution(scores.__getitem__, draw, rng, sizes)
    assert seen == expected
    assert found == max(expected, key=scores.__getitem__)
    for place, child in enumerate(seen[population:], population):
        parents = seen[max(0, place - population) : place]  # the oldest are dead
        assert any(sum(a != b for a, b in zip(child, p, strict=True)) == 1 for p in parents)


def test_evolution_finds_the_optimum_of_an_easy_table_and_random_does_not(tmp_path: Path) -> None:
    path, scores = easy(tmp_path)
    best = max(scores, key=scores.__getitem__)
    for seed in range(3):
        sizes = dict(queries=300, population=20, sample=10, seed=seed)
        assert digits(build(path, **sizes).derive()) == best
        assert digits(build(path, method='random', **sizes).derive()) != best


@pytest.mark.parametrize('method', ['random', 'evolution'])
def test_limits_are_kept(method: str, tmp_path: Path) -> None:
    path, scores = easy(tmp_path)
    given = dict(method=method, queries=120, population=15, sample=5)
    free = build(path, **given)
    table = Limits(free.model, params=1e12).tables['params']
    cells = cells_of('nasbench-macro')
    names = list(free.super_net.choices)
    sizes = {c: table({n: (int(d),) for n, d in zip(names, c, strict=True)}) for c in cells}
    best = max(scores, key=scores.__getitem__)
    bound = min(sizes[best] - 1, float(np.median(list(sizes.values()))))
    algorithm = build(path, limits={'params': bound}, **given)
    seen = watched(algorithm)
    found = digits(algorithm.derive())
    assert max(sizes[cell] for cell in seen) <= bound
    assert found == max(seen, key=scores.__getitem__)
    assert len(seen) == 120
    with pytest.raises(ConstraintError, match='params'):
        build(path, limits={'params': min(sizes.values()) - 1})


def test_a_network_of_which_nothing_can_change_has_equal_children(tmp_path: Path) -> None:
    """One operation for each block: the child is its parent."""
    algorithm = build(
        easy(tmp_path)[0], {**MACRO, 'ops': ('mbconv_3x3_e3',)}, queries=6, population=2, sample=1
    )
    seen = watched(algorithm)
    assert digits(algorithm.derive()) == '1' * 8 and seen == ['1' * 8] * 6


@pytest.mark.parametrize('method', ['random', 'evolution'])
def test_seeds_repeat(method: str) -> None:
    def found(seed: int | None, torch_seed: int = 0) -> list[str]:
        algorithm = build(
            made_table('nasbench-macro'), method=method, queries=12, population=4, sample=2,
            seed=seed, torch_seed=torch_seed,
        )  # fmt: skip
        seen = watched(algorithm)
        algorithm.derive()
        return seen

    assert found(1) == found(1, torch_seed=9) != found(2)
    assert found(None, 1) == found(None, 1) != found(None, 2)


def test_it_needs_no_data_and_no_training() -> None:
    algorithm = build(made_table('nasbench-macro'), queries=5)
    weights = {n: p.clone() for n, p in algorithm.named_parameters()}
    assert algorithm.loaders is None
    algorithm.derive()
    assert all(torch.equal(p, weights[n]) for n, p in algorithm.named_parameters())
    algorithm.attach({'train': batches(1), 'val': batches(2)}, 0)
    assert list(algorithm.optim_parts()) == ['weights']


# -- errors ----------------------------------------------------------------------------------------


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    table = made_table('nasbench-macro')
    for given, message in (
        ({'method': 'luck'}, "method='luck'"),
        ({'queries': 0}, 'queries=0'),
        ({'population': 5, 'sample': 6}, 'sample=6: .*sample up to population'),
        ({'sample': 0}, 'sample=0'),
    ):
        with pytest.raises(ValueError, match=message):
            build(table, **given)  # type: ignore[arg-type]
    with pytest.raises(TableError, match=r"unknown data set 'svhn'; known: \['cifar10-test'"):
        build(table, dataset='svhn')
    with pytest.raises(TableError, match=f'no nasbench-macro table at {tmp_path}'):
        build(tmp_path)
    with pytest.raises(ValueError, match=r"'mobile' has no table; .*'nasbench-macro', 'nasbench2"):
        build(table, SPACES['mobile'])
