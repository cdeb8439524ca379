"""Ranks and their pictures, against plain loops and the points in the SVG."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from svg import by_id, dots, parse, paths, words

from ppnas_mm.analysis.nasbench201 import kendall_tau
from ppnas_mm.visualize.ranks import draw_rank_boxes, draw_tau_boxes, rank_table

SCORES = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 4), min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_ranks_are_counts_of_better_and_equal_models(scores: list[list[int]]) -> None:
    table = rank_table(scores)
    assert table.shape == (len(scores), len(scores[0]))
    for found, run in zip(table.tolist(), scores, strict=True):
        assert found == [
            1 + sum(other > mine for other in run) + (run.count(mine) - 1) / 2 for mine in run
        ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_kendall_tau_is_tau_b(pairs: list[tuple[int, int]]) -> None:
    agree = tied_a = tied_b = 0
    for i, (a, b) in enumerate(pairs):
        for c, d in pairs[:i]:
            agree += int(np.sign(a - c) * np.sign(b - d))
            tied_a += a == c
            tied_b += b == d
    total = len(pairs) * (len(pairs) - 1) // 2
    found = kendall_tau(*zip(*pairs, strict=True))
    if total in (tied_a, tied_b):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(agree / math.sqrt((total - tied_a) * (total - tied_b)))


def linear(known: list[tuple[float, float]]) -> tuple[float, float]:
    """Return slope and offset of the line through the points; they must be on one."""
    (x0, y0), (x1, y1) = min(known), max(known)
    slope = (y1 - y0) / (x1 - x0)
    for x, y in known:
        assert y == pytest.approx(y0 + slope * (x - x0), abs=1e-3)
    return slope, y0 - slope * x0


def test_boxes_stand_at_the_ranks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.linspace(80, 94, 12))
    runs = {
        'super-net': (truth + rng.normal(0, 6, (7, 12))).tolist(),
        'trained': (truth + rng.normal(0, 0.1, (3, 12))).tolist(),
    }
    draw_rank_boxes(truth.tolist(), runs, tmp_path / 'a.svg', 'ten runs')
    root = parse(tmp_path / 'a.svg')
    ids, shown = by_id(root), words(root)
    assert {'ten runs', 'super-net', 'trained', 'rank'} <= set(shown)
    best_first = sorted(range(12), key=lambda m: -truth[m])
    for panel, scores in enumerate(runs.values(), 1):
        truth_line = paths(ids[f'truth-{panel}'])[0]
        known, across = [(1.0, truth_line[0][1]), (12.0, truth_line[-1][1])], []
        for k, model in enumerate(best_first, 1):
            ranks = sorted(1 + sum(other > run[model] for other in run) for run in scores)
            (x0, y0), (x1, y1) = paths(ids[f'median-{panel}-{k}'])[0]
            assert y0 == y1 and x0 < x1
            known.append((ranks[len(ranks) // 2], y0))
            across.append((k, (x0 + x1) / 2))
        assert linear(known)[0] > 0, 'the first rank is on top'
        assert linear([*across, (1, truth_line[0][0]), (12, truth_line[-1][0])])[0] > 0


def test_taus_stand_at_their_values(tmp_path: Path) -> None:
    taus = {'shared': [0.4, 0.55, 0.3, 0.62], 'decoupled': [0.71, 0.7], 'one run': [-0.2]}
    draw_tau_boxes(taus, tmp_path / 'a.svg', 'CIFAR-10')
    root = parse(tmp_path / 'a.svg')
    ids = by_id(root)
    assert {'CIFAR-10', "Kendall's tau", *taus} <= set(words(root))
    points = {name: dots(ids[f'runs-{x}']) for x, name in enumerate(taus, 1)}
    assert {name: len(spots) for name, spots in points.items()} == {
        'shared': 4, 'decoupled': 2, 'one run': 1,
    }  # fmt: skip
    up = [(v, y) for name in taus for v, (_, y) in zip(taus[name], points[name], strict=True)]
    assert linear(up)[0] < 0
    means = [np.mean([x for x, _ in spots]) for spots in points.values()]
    assert linear(list(enumerate(means)))[0] > 0


def test_pictures_as_png_and_of_one_model(tmp_path: Path) -> None:
    draw_rank_boxes([0.5], {'a': [[0.1], [0.2]]}, tmp_path / 'a.png')
    draw_tau_boxes({'a': [0.1]}, tmp_path / 'b.png')
    for name in 'ab':
        assert (tmp_path / f'{name}.png').read_bytes().startswith(b'\x89PNG')


def test_bad_input_is_named(tmp_path: Path) -> None:
    bad: list[Any] = [[], [[]], [1.0, 2.0], [[1.0, 2.0], [1.0]], [[math.nan]]]
    for scores in bad:
        with pytest.raises(ValueError, match='scores: expected runs'):
            rank_table(scores)
    target = tmp_path / 'a.svg'
    with pytest.raises(ValueError, match='x: 2 models, but the truth has 3'):
        draw_rank_boxes([1, 2, 3], {'x': [[1, 2]]}, target)
    with pytest.raises(ValueError, match='runs is empty'):
        draw_rank_boxes([1, 2, 3], {}, target)
    with pytest.raises(ValueError, match='taus is empty'):
        draw_tau_boxes({}, target)
    for values in ([], [math.nan]):
        with pytest.raises(ValueError, match='x: expected the tau of one run or more'):
            draw_tau_boxes({'x': values}, target)
    for draw in (
        lambda path: draw_tau_boxes({'x': [1.0]}, path),
        lambda path: draw_rank_boxes([1, 2], {'x': [[1, 2]]}, path),
    ):
        with pytest.raises(ValueError, match='suffix must be'):
            draw(tmp_path / 'a.pdf')
    assert not list(tmp_path.iterdir())
