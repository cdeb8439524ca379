"""Scores of operations (SE-NAS) against plain loops, and what they keep of NAS-Bench-201."""

import itertools
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nb201 import OPS, text_of
from tool import ROOT, call

from ppnas_mm.algorithms.one_shot.operator_scores import (
    KINDS,
    operator_scores,
    selection_importance,
    shares_below,
    ties,
    weakest,
)
from ppnas_mm.algorithms.one_shot.scored_models import Drawn, stratified_models, within_caps
from ppnas_mm.costs.limits import Cap

SPACES = st.lists(st.sets(st.integers(0, 8), min_size=1, max_size=7), min_size=1, max_size=6).map(
    lambda choices: {f'c{i}': sorted(ops) for i, ops in enumerate(choices)}
)
SEEDS = st.integers(0, 2**32 - 1)
RNG = np.random.default_rng(0)


def counts_of(models: list[dict[str, int]]) -> dict[str, Counter]:
    return {name: Counter(model[name] for model in models) for name in models[0]}


def every_model(alive: dict[str, list[int]]) -> list[dict[str, int]]:
    return [dict(zip(alive, ops, strict=True)) for ops in itertools.product(*alive.values())]


@settings(max_examples=60, deadline=None)
@given(SPACES, st.integers(1, 20), SEEDS)
def test_operations_are_drawn_equally_often(
    alive: dict[str, list[int]], per_op: int, seed: int
) -> None:
    models = stratified_models(alive, per_op, np.random.default_rng(seed))
    assert models == stratified_models(alive, per_op, np.random.default_rng(seed))
    every = every_model(alive)
    needed = per_op * max(map(len, alive.values()))
    if len(every) <= needed:
        assert models == every
        return
    assert len(models) == needed
    for name, counts in counts_of(models).items():
        assert set(counts) == set(alive[name])
        assert max(counts.values()) - min(counts.values()) <= 1
        assert min(counts.values()) >= per_op


def test_choices_are_drawn_independently() -> None:
    """Each pair of operations of two choices meets about as often as any other."""
    alive = {f'c{i}': list(range(4)) for i in range(6)}
    models = stratified_models(alive, 500, np.random.default_rng(0))
    for a, b in itertools.combinations(alive, 2):
        pairs = Counter((model[a], model[b]) for model in models)
        assert len(pairs) == 16
        assert sum((n - 125) ** 2 / 125 for n in pairs.values()) < 35  # chi-squared, df 9


@settings(max_examples=60, deadline=None)
@given(SPACES, st.integers(1, 12), SEEDS, st.floats(0.01, 0.9))
def test_models_keep_the_caps_and_no_operation_is_short(
    alive: dict[str, list[int]], per_op: int, seed: int, level: float
) -> None:
    rng = np.random.default_rng(seed)
    costs = [{name: rng.random(9).tolist() for name in alive} for _ in range(2)]
    lowest = [sum(min(c[n][op] for op in ops) for n, ops in alive.items()) for c in costs]
    loose = Cap(float(len(alive)), costs[1])  # nothing costs more
    caps = [Cap(lowest[0] + level * (len(alive) - lowest[0]), costs[0]), loose]
    models = stratified_models(alive, per_op, rng, caps)

    def legal(model: dict[str, int]) -> bool:
        return sum(costs[0][n][op] for n, op in model.items()) <= caps[0].most

    assert all(map(legal, models))
    every = every_model(alive)
    if len(every) <= per_op * max(map(len, alive.values())):
        assert models == list(filter(legal, every))
        return
    for name, ops in alive.items():
        rest = lowest[0] - min(costs[0][name][op] for op in ops)
        for op in ops:
            found = sum(model[name] == op for model in models)
            possible = rest + costs[0][name][op] <= caps[0].most
            assert found >= per_op if possible else found == 0


@pytest.mark.parametrize('sampler', ['uniform', 'depth_balanced'])
def test_models_within_a_cap_are_those_of_rejection(sampler: str) -> None:
    """Against every model of a space, weighted by hand; chi-squared over all of them."""
    alive = {'a': [0, 1, 2], 'b': [0, 1], 'c': [0, 2, 3], 'd': [1, 2, 3]}
    identity = {'a': 0, 'c': 2, 'd': 3} if sampler == 'depth_balanced' else {}
    costs = {'a': [1, 5, 9], 'b': [2, 4], 'c': [6, 0, 2, 8], 'd': [0, 5, 3, 1]}
    cap = Cap(16.0, costs)
    weights = {}
    for model in every_model(alive):
        if sum(costs[n][op] for n, op in model.items()) > 16:
            continue
        skips = sum(model[n] == i for n, i in identity.items())
        weight = 1 / math.comb(3, skips) if identity else 1.0
        for name in identity:
            weight *= 1.0 if model[name] == identity[name] else 1 / (len(alive[name]) - 1)
        weights[tuple(model.values())] = weight
    assert 20 < len(weights) < 54
    number = 20_000
    drawn = within_caps(alive, number, np.random.default_rng(0), [cap], identity)
    seen = Counter(tuple(model.values()) for model in drawn)
    assert set(seen) == set(weights)
    total = sum(weights.values())
    expected = {key: number * weight / total for key, weight in weights.items()}
    statistic = sum((seen[key] - e) ** 2 / e for key, e in expected.items())
    degrees = len(weights) - 1
    assert statistic < degrees + 5 * math.sqrt(2 * degrees)


def test_an_operation_that_no_model_within_the_caps_holds_has_no_sample() -> None:
    alive = {f'c{i}': [0, 1, 2] for i in range(8)}
    costs = {name: [1.0, 1.0, 1.0] for name in alive} | {'c0': [1.0, 9.0, 1.0]}
    models = stratified_models(alive, 20, np.random.default_rng(0), [Cap(8.0, costs)])
    counts = counts_of(models)
    assert counts['c0'][1] == 0 and len(models) < 120
    assert all(counts[n][op] >= 20 for n in alive for op in alive[n] if (n, op) != ('c0', 1))
    drawn = Drawn.of(models, alive, {})
    assert drawn.unscored == [('c0', 1)] and drawn.least >= 20 and drawn.models == len(models)
    importance = selection_importance(models, [0.5] * len(models), alive)
    assert math.isnan(importance['c0'][1])
    for kind in KINDS:
        rng = np.random.default_rng(0)
        assert weakest(operator_scores(importance, kind), 1, alive, rng) == [('c0', 1)]
    assert stratified_models(alive, 20, np.random.default_rng(0), [Cap(7.0, costs)]) == []


def test_what_was_drawn_is_counted() -> None:
    models = [{'a': 0, 'b': 1}, {'a': 0, 'b': 2}, {'a': 1, 'b': 1}]
    drawn = Drawn.of(models, {'a': [0, 1], 'b': [1, 2, 3]}, {'b': 1})
    assert drawn == Drawn(3, 1, 1.5, [('b', 3)], 1 / 3, 1)


def test_depth_balanced_draws_the_number_of_identities() -> None:
    """AngleNAS: 0 to 5 identities equally often, the other operations evenly in what is left."""
    alive = {f'c{i}': [0, 1, 2, 3] for i in range(8)} | {'c7': [3], 'c6': [0, 1]}
    identity = {name: 3 for name in alive if name != 'c0'}
    rng = np.random.default_rng(0)
    models = stratified_models(alive, 100, rng, sampler='depth_balanced', identity=identity)
    assert min(counts_of(models)[n][op] for n, ops in alive.items() for op in ops) >= 100
    assert 600 <= len(models) < 660  # the rest is for operations that were short
    models = models[:600]
    free = [f'c{i}' for i in range(1, 6)]  # c6 has lost it, c7 has no other
    depths = Counter(sum(model[name] == 3 for name in free) for model in models)
    assert depths == dict.fromkeys(range(6), 100)
    for name, counts in counts_of(models).items():
        if name in free:
            assert abs(counts[3] - 300) < 60
        rest = [counts[op] for op in alive[name] if op != 3 or name == 'c0']
        assert not rest or max(rest) - min(rest) <= 1
    for a, b in itertools.combinations(free, 2):  # positions are free: E[k (5 - k)] / 20 is 1/6
        pairs = Counter((model[a] == 3, model[b] == 3) for model in models)
        assert abs(pairs[True, False] - 100) < 40 and abs(pairs[False, True] - 100) < 40


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20))
def test_ranks_are_the_shares_of_the_others_below(values: list[int]) -> None:
    others = max(1, len(values) - 1)
    expected = [(sum(o < v for o in values) + (values.count(v) - 1) / 2) / others for v in values]
    assert shares_below(values) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(SPACES, st.integers(1, 30), SEEDS)
def test_scores_are_equations_5_to_7(alive: dict[str, list[int]], number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = [{n: int(rng.choice(ops)) for n, ops in alive.items()} for _ in range(number)]
    accuracies = [float(a) for a in rng.random(number)]
    importance = selection_importance(models, accuracies, alive)
    si, sc = {}, {}
    for name, ops in alive.items():
        assert list(importance[name]) == ops
        known = []
        for op in ops:
            hits = [a for m, a in zip(models, accuracies, strict=True) if m[name] == op]
            if not hits:
                assert math.isnan(importance[name][op])
                continue
            si[name, op] = sum(hits) / len(hits)
            known.append(si[name, op])
            assert importance[name][op] == pytest.approx(si[name, op])
        for op in ops:
            if (name, op) in si:
                sc[name, op] = sum((v - sum(known) / len(known)) ** 2 for v in known) / len(known)
    several = [(name, op) for name, ops in alive.items() for op in ops if len(ops) > 1]
    rated = [spot for spot in several if spot in si]
    if not rated:
        assert all(operator_scores(importance, kind).keys() == set(several) for kind in KINDS)
        return
    si_mean = sum(si[s] for s in rated) / len(rated)
    sc_mean = sum(sc[s] for s in rated) / len(rated)
    si_range = max(si[s] for s in rated) - min(si[s] for s in rated)
    sc_range = max(sc[s] for s in rated) - min(sc[s] for s in rated)
    wanted: dict[str, Any] = {'si': lambda s: si[s]}
    if si_range > 1e-9 and sc_mean > 1e-9:
        wanted['confidence_product'] = lambda s: (si[s] - si_mean) / si_range * sc[s] / sc_mean
    if sc_mean > 1e-9 and min(sc[s] for s in rated) > 1e-9:
        wanted['ratio'] = lambda s: (si[s] / si_mean) / (sc[s] / sc_mean)
    if si_range > 1e-9 and sc_range > 1e-9 and min(abs(sc[s] - sc_mean) for s in rated) > 1e-9:
        wanted['paper_literal'] = lambda s: (
            (si[s] - si_mean) / si_range / ((sc[s] - sc_mean) / sc_range)
        )
    for kind, formula in wanted.items():
        scores = operator_scores(importance, kind)
        assert list(scores) == several
        plain = {s: formula(s) if s in si else -math.inf for s in several}
        assert scores == pytest.approx(plain, rel=1e-6, abs=1e-9), kind


def test_the_letter_of_equation_7_prefers_the_worse_operation() -> None:
    """SC_n is below 0 where the variance is below the mean; then low SI scores high."""
    si = {'a': {0: 0.2, 1: 0.8}, 'b': {0: 0.4, 1: 0.6}}  # SC 0.09 and 0.01
    by_hand = {('a', 0): -1.0, ('a', 1): 1.0, ('b', 0): 1 / 3, ('b', 1): -1 / 3}
    assert operator_scores(si, 'paper_literal') == pytest.approx(by_hand)
    assert weakest(by_hand, 2, {'a': [0, 1], 'b': [0, 1]}, RNG) == [('a', 0), ('b', 1)]
    product = {('a', 0): -0.9, ('a', 1): 0.9, ('b', 0): -1 / 30, ('b', 1): 1 / 30}
    assert operator_scores(si) == pytest.approx(product)
    ratio = {('a', 0): 0.4 / 1.8, ('a', 1): 1.6 / 1.8, ('b', 0): 0.8 / 0.2, ('b', 1): 1.2 / 0.2}
    assert operator_scores(si, 'ratio') == pytest.approx(ratio)


def test_the_letter_of_equation_7_spares_what_is_surely_bad() -> None:
    """Of two equally bad operations, the text drops the one whose choice has more variance."""
    si = {'a': {0: 0.3, 1: 0.8}, 'b': {0: 0.3, 1: 0.9}, 'c': {0: 0.5, 1: 0.5}}
    alive = {name: list(ops) for name, ops in si.items()}
    assert weakest(operator_scores(si, 'paper_literal'), 1, alive, RNG) == [('a', 0)]
    assert weakest(operator_scores(si), 1, alive, RNG) == [('b', 0)]


def test_the_letter_of_equation_7_divides_by_almost_nothing() -> None:
    """Where the variance is about the mean, scores are beyond all others, either way."""
    far = 0.02**0.5
    si = {'a': {0: 0.5, 1: 0.5}, 'b': {0: 0.45, 1: 0.65}, 'c': {0: 0.5 - far, 1: 0.5 + far}}
    scores = operator_scores(si, 'paper_literal')
    assert all(math.isfinite(v) for v in scores.values())
    assert {spot for spot, v in scores.items() if abs(v) > 1e6} == {('b', 0), ('b', 1)}
    even = operator_scores({'a': {0: 0.25, 1: 0.5}, 'b': {0: 0.5, 1: 0.75}}, 'paper_literal')
    assert even['a', 0] < even['a', 1] and even['a', 1] == even['b', 0]  # sign kept
    flat = {'a': {0: 0.5, 1: 0.5}, 'b': {0: 0.5, 1: 0.5}}
    for kind in KINDS:
        assert len({*operator_scores(flat, kind).values()}) == 1


def test_choices_with_one_operation_take_no_part() -> None:
    si = {'a': {0: 0.2, 1: 0.8}, 'b': {0: 0.4, 1: 0.6}}
    for kind in KINDS:
        assert operator_scores(si | {'d': {4: 9.0}}, kind) == operator_scores(si, kind)
    assert operator_scores({'d': {4: 9.0}}) == {}


@settings(max_examples=80, deadline=None)
@given(SPACES, st.integers(0, 50), st.data())
def test_the_weakest_are_never_all_of_a_choice(
    alive: dict[str, list[int]], count: int, data: st.DataObject
) -> None:
    several = [(name, op) for name, ops in alive.items() for op in ops if len(ops) > 1]
    few = st.sampled_from([-math.inf, 0.0, 1.0, 2.0])
    scores = {spot: data.draw(few) for spot in several}
    chosen = weakest(scores, count, alive, np.random.default_rng(count))
    droppable = sum(len(ops) - 1 for ops in alive.values())
    assert len(chosen) == len(set(chosen)) == min(count, droppable)
    left = {n: set(ops) - {op for name, op in chosen if name == n} for n, ops in alive.items()}
    assert all(left.values())
    order = [scores[spot] for spot in chosen]
    assert order == sorted(order)
    for spot in set(several) - set(chosen):  # what stays is no lower, or the last of its choice
        assert scores[spot] >= max(order, default=-math.inf) or left[spot[0]] == {spot[1]}


def test_equal_scores_are_ordered_by_chance() -> None:
    alive = {'a': [0, 1], 'b': [0, 1], 'c': [0, 1]}
    scores = {(name, op): 1.0 for name, ops in alive.items() for op in ops} | {('b', 1): 0.5}
    first = Counter(weakest(scores, 2, alive, np.random.default_rng(s))[1] for s in range(400))
    assert set(first) == {('a', 0), ('a', 1), ('c', 0), ('c', 1)}
    assert min(first.values()) > 60
    chosen = weakest(scores, 2, alive, RNG)
    assert chosen[0] == ('b', 1) and len(ties(scores, chosen)) == 4
    assert ties(scores, chosen[:1]) == []


def test_bad_input_is_named() -> None:
    alive, rng = {'a': [0, 1]}, np.random.default_rng(0)
    for alive_, per_op, options, text in (
        ({'a': []}, 1, {}, r"alive\['a'\]=\[\]: expected one or more"),
        ({'a': [1, 1]}, 1, {}, r"alive\['a'\]=\[1, 1\]"),
        ({}, 1, {}, 'alive is empty'),
        (alive, 0, {}, 'per_op=0'),
        (alive, 1, {'sampler': 'x'}, "sampler='x': expected one of"),
        (alive, 1, {'sampler': 'depth_balanced'}, r"identity=None: expected .* \['a'\]"),
        (alive, 1, {'sampler': 'depth_balanced', 'identity': {'b': 0}}, 'identity=.*b'),
    ):
        with pytest.raises(ValueError, match=text):
            stratified_models(alive_, per_op, rng, **options)
    with pytest.raises(ValueError, match='2 models, but 1 accuracies'):
        selection_importance([{'a': 0}, {'a': 1}], [0.5], alive)
    with pytest.raises(ValueError, match=r'accuracies\[1\]=nan'):
        selection_importance([{'a': 0}, {'a': 1}], [0.5, math.nan], alive)
    with pytest.raises(ValueError, match=r"'a' has \[2\]; alive: \[0, 1\]"):
        selection_importance([{'a': 2}], [0.5], alive)
    with pytest.raises(ValueError, match="kind='x'"):
        operator_scores({'a': {0: 0.1}}, 'x')
    with pytest.raises(ValueError, match=r"scores\['a', 2\]=1.0"):
        weakest({('a', 2): 1.0}, 1, alive, RNG)
    with pytest.raises(ValueError, match=r"scores\['a', 0\]=nan"):
        weakest({('a', 0): math.nan}, 1, alive, RNG)


# -- tools/shrink_simulation.py ---------------------------------------------------------------


def simulation(folder: Path, *arguments: Any) -> dict[str, dict[str, float]]:
    assert call('shrink_simulation.py', '--json', folder / 'a.json', *arguments) == 0
    return {row['score']: row for row in json.loads((folder / 'a.json').read_text())}


def test_the_simulation_on_a_table_of_known_effects(tmp_path: Path, capsys: Any) -> None:
    """Without noise, all models are seen and SI is the true score: ``si`` must be a greedy drop."""
    rng = np.random.default_rng(3)
    effects = {(edge, op): float(rng.random()) * 8 for edge in range(6) for op in range(3)}
    cells = list(itertools.product(range(3), repeat=6))
    score = {c: round(50 + sum(effects[spot] for spot in enumerate(c)), 4) for c in cells}
    lines = [f'{text_of([OPS[i] for i in c])},{v}' for c, v in score.items()]
    path = tmp_path / 'table.csv'
    path.write_text('\n'.join(['arch,cifar10-test', *lines]) + '\n')
    options = ['--table', path, '--noise', 0, '--seeds', 3, '--samples', 300, '--drops', 5]
    found = simulation(tmp_path, *options)
    assert set(found) == {*KINDS, 'random'}
    alive = {edge: set(range(3)) for edge in range(6)}
    for stage in range(2):
        left = [c for c in cells if all(i in alive[e] for e, i in enumerate(c))]
        mean = {
            (e, i): np.mean([score[c] for c in left if c[e] == i]) for e in alive for i in alive[e]
        }
        if stage == 0:
            top = set(sorted(mean, key=lambda spot: -mean[spot])[:13])
        dropped = 0
        for e, i in sorted(mean, key=lambda spot: mean[spot]):
            if dropped < 5 and len(alive[e]) > 1:
                alive[e].remove(i)
                dropped += 1
        if stage == 0:
            kept = sum(i in alive[e] for e, i in top)
    left = [score[c] for c in cells if all(i in alive[e] for e, i in enumerate(c))]
    row = found['si']
    assert (row['kept'], row['top'], row['kept_std']) == (kept, 13, 0)
    assert row['best'] == pytest.approx(max(left)) and row['mean'] == pytest.approx(np.mean(left))
    assert found['random']['mean'] < row['mean']
    out = capsys.readouterr().out
    assert re.search(rf'\| si +\| +0 \| +{kept}\.00 \| +0.00 \| +{max(left):.2f} \|', out)
    path.write_text('\n'.join(['arch,cifar10-test', *lines[1:]]) + '\n')
    assert call('shrink_simulation.py', '--table', path) == 2
    assert '728 of 729 cells; all are needed' in capsys.readouterr().err
    assert call('shrink_simulation.py', '--drops', '0') == 2
    assert '--drops 0: expected 1 or more' in capsys.readouterr().err


def test_the_default_score_keeps_the_best_operations_of_nasbench201(tmp_path: Path) -> None:
    folders = (ROOT / 'data/nasbench201', ROOT.parent / 'shared/data/nasbench201')
    name = 'nats_bench_tss_200ep.csv.gz'
    path = next((f / name for f in folders if (f / name).is_file()), None)
    if path is None:
        pytest.skip(f'needs {name} in data/nasbench201')
    found = simulation(tmp_path, '--table', path, '--seeds', 4, '--noise', 0.5)
    kept = {kind: row['kept'] for kind, row in found.items()}
    assert kept['confidence_product'] >= 17.8
    assert kept['si'] >= 17.3 and 14 <= kept['ratio'] <= 17.5
    assert kept['paper_literal'] <= 16 and kept['random'] <= 16
    assert found['confidence_product']['best'] > found['paper_literal']['best']
