"""Marks: each room has one, is in the fast selection, and names tests that exist."""

import ast

import pytest
from lengths import LONG, SAMPLED, is_long
from rooms import FAST, JOINED, ROOMS, TESTS


def test_the_marks_are_the_rooms(request: pytest.FixtureRequest) -> None:
    known = {line.split(':')[0].split('(')[0] for line in request.config.getini('markers')}
    assert {*ROOMS, *JOINED.values(), 'fast'} <= known
    assert set(request.node.keywords) >= {'project', 'fast'}
    assert not set(request.node.keywords) & {*ROOMS, 'search'} - {'project'}


def test_the_fast_selection_takes_from_every_room() -> None:
    assert set(FAST) == set(ROOMS) - {'slow'}
    for room, names in FAST.items():
        for name in names:
            file, *function = name.split('::')
            tree = ast.parse((TESTS / room / file).read_text())
            assert set(function) <= {getattr(node, 'name', '') for node in tree.body}, name


@pytest.mark.parametrize('name', sorted({*LONG, *SAMPLED}))
def test_what_make_slow_runs_exists(name: str) -> None:
    file, function = name.split('::')
    (path,) = TESTS.glob(f'*/{file}')
    tree = ast.parse(path.read_text())
    assert function in {getattr(node, 'name', '') for node in tree.body}


def test_a_sample_is_each_nth_run() -> None:
    file, function = next(iter(SAMPLED)).split('::')
    n = SAMPLED[f'{file}::{function}']
    assert [is_long(file, function, i) for i in range(n + 1)] == [False, *[True] * (n - 1), False]
    assert not is_long(file, 'test_of_no_list', 1)
