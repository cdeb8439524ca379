"""Ranks and their pictures, against plain loops; what the pictures show."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictured import check_texts
from svg import by_id, dots, parse, words

from ppnas_mm.analysis.statistics import kendall_tau
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


def test_ranks_have_a_box_a_model_and_taus_a_point_a_run(tmp_path: Path) -> None:
    runs = {'super-net': [[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]], 'trained': [[1.0, 2.0, 3.0]]}
    draw_rank_boxes([1.0, 3.0, 2.0], runs, tmp_path / 'a.svg', 'two variants')
    root = parse(tmp_path / 'a.svg')
    medians = {gid for gid in by_id(root) if gid.startswith('median-')}
    assert medians == {f'median-{panel}-{k}' for panel in (1, 2) for k in (1, 2, 3)}
    assert {'two variants', 'super-net', 'trained', 'rank'} <= set(words(root))
    check_texts(root)
    taus = {'shared': [0.4, 0.55, 0.3, 0.62], 'decoupled': [0.71, 0.7], 'one run': [-0.2]}
    draw_tau_boxes(taus, tmp_path / 'b.svg', 'CIFAR-10')
    root = parse(tmp_path / 'b.svg')
    assert {'CIFAR-10', "Kendall's tau", *taus} <= set(words(root))
    for x, values in enumerate(taus.values(), 1):
        heights = [-y for _, y in dots(by_id(root)[f'runs-{x}'])]
        order = sorted(range(len(values)), key=values.__getitem__)
        assert [heights[k] for k in order] == sorted(heights), 'higher values are higher'
    check_texts(root)


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
