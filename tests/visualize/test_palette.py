"""Colours of operations: distinct for all eyes within a space, the same in every picture."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from svg import by_id, parse, stroke

from ppnas_mm.genotype import SPACE_RULES, Genotype
from ppnas_mm.layers.ops import OPS
from ppnas_mm.visualize.genotype import draw_genotype, draw_search
from ppnas_mm.visualize.importance import draw_importance, draw_importance_table
from ppnas_mm.visualize.stages import draw_stages
from ppnas_mm.visualize.style import APART, OPERATIONS, op_colour

NEUTRAL = {'none', 'skip_connect', 'identity', 'shortcut'}
SEEN_BY = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    'all': np.eye(3),
    'no green': [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
    'no red': [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
}  # fmt: skip
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
OFFERED = {
    'ppconv': set(),
    'darts': {'none'},
    'nasbench201': set(),
    'chain': set(),
    'mobile': set(),
    'nasbench-macro': set(),
}


def lab(colour, seen_by='all'):
    """CIELAB of ``#rrggbb``."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN_BY[seen_by]) @ linear, 0, 1)
    x, y, z = (np.array(TO_XYZ) @ linear) / (0.9505, 1, 1.089)
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_operation_has_a_colour_of_its_own():
    assert set(OPERATIONS) <= set(OPS)
    assert len(set(OPERATIONS.values())) == len(OPERATIONS)
    for op, colour in OPERATIONS.items():
        chroma = np.hypot(*lab(colour)[1:])
        assert chroma < 8 if op in NEUTRAL else chroma > 25, op


@pytest.mark.parametrize('space', OFFERED)
def test_colours_of_a_space_differ_for_all_eyes(space):
    ops = sorted(SPACE_RULES[space].ops & set(OPERATIONS) | OFFERED[space])
    assert set(ops) == SPACE_RULES[space].ops | OFFERED[space] and len(ops) >= 3
    for a, b in combinations(ops, 2):
        for eyes in SEEN_BY:
            distance = np.linalg.norm(lab(op_colour(a), eyes) - lab(op_colour(b), eyes))
            assert distance > 15, (a, b, eyes)
        assert abs(lab(op_colour(a))[0] - lab(op_colour(b))[0]) > 2, ('grey', a, b)


def test_a_users_operation_has_a_colour_that_follows_from_its_name():
    names = [f'my_op_{i}' for i in range(200)] + ['x', 'conv_9x9', 'Äpfel']
    code = f'from ppnas_mm.visualize.style import op_colour; print(*map(op_colour, {names!r}))'
    environment = {**os.environ, 'PYTHONHASHSEED': '7', 'PYTHONIOENCODING': 'utf-8'}
    other = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=True
    )
    colours = other.stdout.split()
    assert colours == [op_colour(name) for name in names]
    assert len(set(colours)) == len(names)
    for colour in colours:
        assert re.fullmatch('#[0-9a-f]{6}', colour)
        for known in OPERATIONS.values():
            pair = zip(bytes.fromhex(colour[1:]), bytes.fromhex(known[1:]), strict=True)
            assert sum((a - b) ** 2 for a, b in pair) > APART**2


def fill(element):
    return re.search('fill: (#......)', ElementTree.tostring(element).decode())[1]


@pytest.mark.parametrize('space', ['darts', 'mobile', 'ppconv'])
def test_an_operation_has_one_colour_in_all_pictures(space, tmp_path, monkeypatch):
    """With one that a user registered, and whatever the other operations are."""
    rule, mine = SPACE_RULES[space], 'op_of_mine'
    monkeypatch.setitem(SPACE_RULES, space, replace(rule, ops=rule.ops | {mine}))
    ops = [*sorted(rule.ops & set(OPERATIONS))[-4:], mine]
    found = {op: set() for op in ops}
    collect(space, ops, found, tmp_path)
    assert all(colours == {op_colour(op)} for op, colours in found.items())
    assert len(set.union(*found.values())) == len(ops)


def collect(space, ops, found, tmp_path):
    """Draw every picture; add the colours of each operation."""
    name = {'darts': 'normal/node2/op0'}.get(space, 'stage1/node4/op')
    record = dict(algorithm='A', space=space, seed=0, epochs=[])
    record['choices'] = {name: dict(candidates=ops, gates=False)}
    weights = {name: [0.1 * (i + 1) for i in range(len(ops))]}
    net = dict(operations=5, log10_size=1.0)
    entry = dict(losses={'loss': 1.0}, architecture=weights, importance=weights, super_net=net)
    record['epochs'] = [dict(epoch=1, **entry), dict(epoch=2, **entry)]
    for draw in (draw_search, draw_importance, draw_importance_table, draw_stages):
        draw(record, tmp_path / 'a.svg')
        ids = by_id(parse(tmp_path / 'a.svg'))
        for i, op in enumerate(ops):
            if draw in (draw_search, draw_importance):
                found[op].add(stroke(ids[f'{name}[{i}]']))
            elif draw is draw_stages:
                found[op] |= {fill(ids[f'box-{name}[{i}]']), fill(ids[f'op-{op}'])}
                found[op].add(fill(ids[f'key-left-{op}']))
            else:
                found[op].add(fill(ids[f'op-{name.split("/")[0]}-{op}']))
    for op in ops:
        genotype = one_op(space, op)
        draw_genotype(genotype, tmp_path / 'a.svg')
        cell = genotype.cells[0]
        box = by_id(parse(tmp_path / 'a.svg'))[f'box-0-{cell.inputs}-0']
        found[op] |= {fill(box), stroke(box)}


def one_op(space, op):
    """An architecture whose first operation is the given one."""
    if space == 'darts':
        nodes = [[dict(op=op, sources=[0]), dict(op=op, sources=[1])]]
        cells = [dict(name=n, inputs=2, nodes=nodes) for n in ('normal', 'reduction')]
    elif space == 'mobile':
        nodes = [[dict(op=op, sources=[0])]]
        cells = [dict(name=f'stage{s}', inputs=1, nodes=nodes) for s in range(1, 7)]
    else:
        cells = [dict(name='stage1', inputs=1, nodes=[[dict(op=op, sources=[0])]])]
    return Genotype.from_dict(dict(schema=1, space=space, cells=cells))
