"""The checks of JSON: each names the key, what is right and what was found, in one line."""

from collections.abc import Callable
from typing import Any

import pytest

from ppnas_mm.utils import schema
from ppnas_mm.utils.schema import SchemaError

DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]
WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: schema.mapping([], 'a'), r'a: expected an object, got \[\]'),
    (lambda: schema.mapping({'x': 1}, 'a', ('x', 'y')), "a: missing key 'y'; expected x, y"),
    (
        lambda: schema.mapping({'nme': 1}, 'a', ('name',)),
        "a: unknown key 'nme'; did you mean 'name'",
    ),
    (lambda: schema.mapping({'q': 1}, 'a', ('x',), ('y',)), "a: unknown key 'q'; known: x, y"),
    (lambda: schema.sequence('xy', 'a'), "a: expected a list, got 'xy'"),
    (lambda: schema.sequence([1], 'a', 2), r'a \(length\): 1 is outside 2..'),
    (lambda: schema.integer(True, 'a'), 'a: expected an integer, got True'),
    (lambda: schema.integer(9, 'a', 0, 8), 'a: 9 is outside 0..8'),
    (lambda: schema.number(float('nan'), 'a'), 'a: expected a finite number, got nan'),
    (lambda: schema.number(-1, 'a', 0), 'a: expected a finite number from 0, got -1'),
    (lambda: schema.text('x\ny', 'a'), r"a: expected a line of text, got 'x\\ny'"),
    (lambda: schema.version(2, 'a', 1), 'a: expected 1, which this release reads, got 2'),
    (lambda: schema.one_of('z', 'a', {'y', 'x'}), r"a: expected one of \['x', 'y'\], got 'z'"),
    (lambda: schema.plain({1}, 'a'), 'a: not plain JSON'),
    (lambda: schema.plain([[[]]], 'a', 2), 'a: not plain JSON: more than 2 levels deep'),
    (lambda: schema.plain(DEEP, 'a'), 'a: not plain JSON'),
    (lambda: schema.mapping(DEEP, 'a'), 'a: expected an object, got list'),
    (lambda: schema.parse('[' * 100_000), 'not valid JSON'),
    (lambda: schema.parse('{"a": 1, "a": 2}'), "a key is given twice: 'a'"),
]


@pytest.mark.parametrize('number', range(len(WRONG)))
def test_what_is_wrong_is_named_in_one_line(number: int) -> None:
    check, message = WRONG[number]
    with pytest.raises(SchemaError, match=message) as error:
        check()
    assert len(str(error.value)) < 300 and '\n' not in str(error.value)


def test_what_is_right_is_returned() -> None:
    data = schema.parse('{"a": [1, 2.5], "b": "x"}')
    assert schema.mapping(data, 'file', ('a',), ('b',)) == {'a': [1, 2.5], 'b': 'x'}
    assert schema.sequence(data['a'], 'a', 2, 2) == [1, 2.5]
    assert (schema.integer(1, 'n', 1, 1), schema.number(2.5, 'n')) == (1, 2.5)
    assert (schema.text('x', 't'), schema.one_of('x', 't', 'xy')) == ('x', 'x')
    assert schema.plain(data, 'file', 2) is data and schema.version(1, 'v', 1) == 1
