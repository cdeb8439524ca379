"""Configs are composed, not copied: how much of ``configs/`` stands in another file of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from config_files import CONFIGS

MOST = 0.08
"""Of what is written, repeated at most."""
LEAST_NODES = 10
"""Of an entry that counts as a copy; smaller ones are mere values, such as ``by_epoch=True``."""

Unit = tuple[str, int, int]
"""What is said, its lines, and its nodes of the syntax tree."""


def size(node: ast.AST) -> int:
    """Nodes of a syntax tree: names, numbers, words, calls, and so on."""
    return sum(not isinstance(one, ast.expr_context) for one in ast.walk(node))


def said(key: str, value: ast.expr) -> Unit:
    """A unit that gives a key a value."""
    return f'{key} = {ast.unparse(value)}', value.end_lineno - value.lineno + 1, size(value)


def statements(text: str) -> Iterator[Unit]:
    """The top-level statements of a config; lists of bases count as no repetition."""
    for node in ast.parse(text).body:
        bases = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_'
        yield ast.unparse(node), node.end_lineno - node.lineno + 1, 0 if bases else size(node)


def entries(text: str) -> Iterator[Unit]:
    """The same without bases, and ``name = dict(key=value)`` split into ``name.key = value``."""
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign):
            yield ast.unparse(node), 1, size(node)
            continue
        names, value = ' = '.join(map(ast.unparse, node.targets)), node.value
        if names == '_base_':
            continue
        is_dict = isinstance(value, ast.Call) and ast.unparse(value.func) == 'dict'
        if is_dict and value.keywords:
            yield from (said(f'{names}.{word.arg}', word.value) for word in value.keywords)
        else:
            yield said(names, value)


def share(units: list[Unit], weight: int, least: int = 1) -> float:
    """The part of the units' weight that repeats an earlier one of at least ``least`` nodes."""
    seen: set[str] = set()
    repeated = 0
    for unit in units:
        if unit[0] in seen and unit[2] >= least:
            repeated += unit[weight]
        seen.add(unit[0])
    return repeated / sum(unit[weight] for unit in units)


def texts(folder: Path = CONFIGS) -> list[str]:
    """What is in the configs and in what they inherit from."""
    return [path.read_text() for path in sorted(folder.rglob('*.py'))]


def test_the_measure() -> None:
    one = "_base_ = 'a.py'\nmodel = dict(\n    a=1,\n    b=dict(c=[1, 2, 3, 4], d=5, e='f'))\n"
    two = '# another comment\n' + one.replace('a=1', 'a=2') + 'x = 3\n'
    both = [unit for text in (one, two) for unit in entries(text)]
    # of two entries of two files and a number, one repeats: dict(c=[...], d=5, e='f')
    assert [unit[0] for unit in both[:2]] == [
        'model.a = 1',
        "model.b = dict(c=[1, 2, 3, 4], d=5, e='f')",
    ]
    assert share(both, weight=1) == 1 / 5
    assert share(both, weight=2, least=both[1][2]) == both[1][2] / sum(unit[2] for unit in both)
    assert share(both, weight=2, least=both[1][2] + 1) == 0
    both = [unit for text in (one, one, two) for unit in statements(text)]
    assert share(both, weight=1) == 3 / 13


def test_few_lines_are_repeated() -> None:
    """By lines of the top-level statements; those that compose a model are among them."""
    found = [unit for text in texts() for unit in statements(text)]
    assert share(found, weight=1) < MOST


def test_few_entries_are_repeated() -> None:
    """By nodes of the entries of top-level dicts, small ones never counted as repeated."""
    found = [unit for text in texts() for unit in entries(text)]
    assert share(found, weight=2, least=LEAST_NODES) < MOST
