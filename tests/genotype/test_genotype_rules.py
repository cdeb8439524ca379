"""What each space allows; the published cells of the DARTS space in their authors' notation."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from ppnas_mm.genotype import Genotype, GenotypeError, published

# operation and node read, two for each node; the order in a node is that of the authors
DARTS_CELLS = {
    'cdarts_cifar10': (
        'sep_conv_3x3 0 sep_conv_3x3 1 | sep_conv_3x3 1 sep_conv_3x3 2'
        ' | sep_conv_3x3 0 sep_conv_3x3 1 | skip_connect 0 skip_connect 2',
        'sep_conv_5x5 1 max_pool_3x3 0 | dil_conv_5x5 2 skip_connect 0'
        ' | sep_conv_3x3 0 sep_conv_5x5 1 | sep_conv_3x3 0 dil_conv_5x5 2',
    ),
    'cdarts_imagenet': (
        'sep_conv_3x3 1 sep_conv_3x3 0 | sep_conv_3x3 0 sep_conv_5x5 2'
        ' | sep_conv_5x5 2 sep_conv_3x3 1 | sep_conv_3x3 1 sep_conv_5x5 4',
        'sep_conv_5x5 1 avg_pool_3x3 0 | max_pool_3x3 1 dil_conv_5x5 2'
        ' | sep_conv_5x5 1 dil_conv_5x5 2 | sep_conv_3x3 3 dil_conv_3x3 4',
    ),
    'darts_v1': (
        'sep_conv_3x3 1 sep_conv_3x3 0 | skip_connect 0 sep_conv_3x3 1'
        ' | skip_connect 0 sep_conv_3x3 1 | sep_conv_3x3 0 skip_connect 2',
        'max_pool_3x3 0 max_pool_3x3 1 | skip_connect 2 max_pool_3x3 0'
        ' | max_pool_3x3 0 skip_connect 2 | skip_connect 2 avg_pool_3x3 0',
    ),
    'darts_v2': (
        'sep_conv_3x3 0 sep_conv_3x3 1 | sep_conv_3x3 0 sep_conv_3x3 1'
        ' | sep_conv_3x3 1 skip_connect 0 | skip_connect 0 dil_conv_3x3 2',
        'max_pool_3x3 0 max_pool_3x3 1 | skip_connect 2 max_pool_3x3 1'
        ' | max_pool_3x3 0 skip_connect 2 | skip_connect 2 max_pool_3x3 1',
    ),
    'eoinas_cifar10': (
        'sep_conv_3x3 0 sep_conv_3x3 1 | skip_connect 0 sep_conv_3x3 2'
        ' | skip_connect 1 sep_conv_5x5 3 | skip_connect 1 dil_conv_5x5 4',
        'sep_conv_3x3 0 sep_conv_3x3 1 | sep_conv_3x3 0 sep_conv_5x5 1'
        ' | sep_conv_5x5 0 dil_conv_5x5 3 | dil_conv_5x5 2 dil_conv_5x5 3',
    ),
    'eoinas_cityscapes': (
        'skip_connect 0 sep_conv_5x5 1 | sep_conv_3x3 0 sep_conv_5x5 2'
        ' | sep_conv_3x3 0 skip_connect 2 | sep_conv_3x3 0 max_pool_3x3 2',
        'avg_pool_3x3 0 avg_pool_3x3 1 | sep_conv_5x5 1 dil_conv_3x3 2'
        ' | sep_conv_3x3 2 sep_conv_5x5 3 | dil_conv_5x5 3 sep_conv_3x3 4',
    ),
    'eoinas_gnas': (
        'sep_conv_3x3 0 sep_conv_3x3 1 | skip_connect 0 sep_conv_3x3 1'
        ' | sep_conv_3x3 0 sep_conv_5x5 3 | sep_conv_3x3 1 dil_conv_5x5 4',
        'sep_conv_3x3 0 sep_conv_3x3 1 | max_pool_3x3 0 sep_conv_3x3 2'
        ' | sep_conv_5x5 0 sep_conv_5x5 1 | dil_conv_5x5 2 dil_conv_5x5 3',
    ),
    'eoinas_gnas_2': (
        'sep_conv_3x3 0 sep_conv_3x3 1 | sep_conv_3x3 0 sep_conv_3x3 1'
        ' | skip_connect 0 dil_conv_3x3 2 | skip_connect 1 dil_conv_5x5 4',
        'sep_conv_3x3 0 sep_conv_3x3 1 | sep_conv_5x5 0 dil_conv_5x5 2'
        ' | dil_conv_3x3 1 dil_conv_5x5 3 | dil_conv_5x5 3 dil_conv_5x5 4',
    ),
    'gdas': (
        'skip_connect 0 skip_connect 1 | skip_connect 0 sep_conv_5x5 2'
        ' | sep_conv_3x3 3 skip_connect 0 | sep_conv_5x5 4 sep_conv_3x3 3',
        'sep_conv_5x5 0 sep_conv_3x3 1 | sep_conv_5x5 2 sep_conv_5x5 1'
        ' | dil_conv_5x5 2 sep_conv_3x3 1 | sep_conv_5x5 0 sep_conv_5x5 1',
    ),
    'pcdarts_cifar10': (
        'sep_conv_3x3 1 skip_connect 0 | sep_conv_3x3 0 dil_conv_3x3 1'
        ' | sep_conv_5x5 0 sep_conv_3x3 1 | avg_pool_3x3 0 dil_conv_3x3 1',
        'sep_conv_5x5 1 max_pool_3x3 0 | sep_conv_5x5 1 sep_conv_5x5 2'
        ' | sep_conv_3x3 0 sep_conv_3x3 3 | sep_conv_3x3 1 sep_conv_3x3 2',
    ),
    'pcdarts_imagenet': (
        'skip_connect 1 sep_conv_3x3 0 | sep_conv_3x3 0 skip_connect 1'
        ' | sep_conv_3x3 1 sep_conv_3x3 3 | sep_conv_3x3 1 dil_conv_5x5 4',
        'sep_conv_3x3 0 skip_connect 1 | dil_conv_5x5 2 max_pool_3x3 1'
        ' | sep_conv_3x3 2 sep_conv_3x3 1 | sep_conv_5x5 0 sep_conv_3x3 3',
    ),
    'pdarts': (
        'skip_connect 0 dil_conv_3x3 1 | skip_connect 0 sep_conv_3x3 1'
        ' | sep_conv_3x3 1 sep_conv_3x3 3 | sep_conv_3x3 0 dil_conv_5x5 4',
        'avg_pool_3x3 0 sep_conv_5x5 1 | sep_conv_3x3 0 dil_conv_5x5 2'
        ' | max_pool_3x3 0 dil_conv_3x3 1 | dil_conv_3x3 1 dil_conv_5x5 3',
    ),
}


@pytest.mark.parametrize('name', DARTS_CELLS)
def test_published_files_hold_the_authors_cells(name: str) -> None:
    genotype = Genotype.load(name)
    assert genotype.space == 'darts'
    assert [(cell.name, cell.inputs) for cell in genotype.cells] == [
        ('normal', 2),
        ('reduction', 2),
    ]
    for cell, text in zip(genotype.cells, DARTS_CELLS[name], strict=True):
        nodes = [{(e.op, e.sources) for e in edges} for edges in cell.nodes]
        assert nodes == [
            {(op, (int(source),)) for op, source in re.findall(r'(\w+) (\d)', node)}
            for node in text.split('|')
        ]


def test_every_published_darts_cell_is_held_against_its_authors() -> None:
    names = [name for name in published() if Genotype.load(name).space == 'darts']
    assert sorted(names) == sorted(DARTS_CELLS)


# -- rules -----------------------------------------------------------------------------------------


def edge(op: str, *sources: int) -> dict[str, Any]:
    return {'op': op, 'sources': list(sources)}


def file(space: str, cells: list[dict]) -> dict[str, Any]:
    return {'schema': 1, 'space': space, 'cells': cells}


def darts() -> dict[str, Any]:
    nodes = [[edge('sep_conv_3x3', 0), edge('max_pool_3x3', 1)] for _ in range(4)]
    names = ('normal', 'reduction')
    return file('darts', [{'name': n, 'inputs': 2, 'nodes': copy.deepcopy(nodes)} for n in names])


def nasbench201() -> dict[str, Any]:
    nodes = [[edge('skip_connect', i) for i in range(node)] for node in (1, 2, 3)]
    return file('nasbench201', [{'name': 'cell', 'inputs': 1, 'nodes': nodes}])


def chain() -> dict[str, Any]:
    nodes = [[edge('mbconv_3x3_e4_se', i)] for i in range(3)]
    return file('chain', [{'name': 'stage1', 'inputs': 1, 'nodes': nodes}])


def mobile() -> dict[str, Any]:
    def nodes() -> list[list[dict]]:
        return [[edge('mbconv_7x7_e6', 0)], [edge('identity', 1)]]

    stages = [{'name': f'stage{s}', 'inputs': 1, 'nodes': nodes()} for s in range(1, 7)]
    return file('mobile', stages)


def nodes_of(data: dict[str, Any]) -> list[list[dict]]:
    return data['cells'][0]['nodes']


WRONG: dict[str, tuple[Callable[[], dict], Callable[[dict], Any], str]] = {
    'darts, one edge': (darts, lambda d: nodes_of(d)[1].pop(), r'nodes\[3\].*length'),
    'darts, three edges': (
        darts,
        lambda d: nodes_of(d)[1].append(edge('skip_connect', 2)),
        r'nodes\[3\].*length',
    ),
    'darts, two edges from one node': (
        darts,
        lambda d: nodes_of(d)[1].__setitem__(1, edge('skip_connect', 0)),
        r'nodes\[3\].*two edges have the same sources',
    ),
    'darts, two sources': (
        darts,
        lambda d: nodes_of(d)[1].__setitem__(0, edge('skip_connect', 0, 2)),
        r'nodes\[3\]\[0\]\.sources.*length',
    ),
    'darts, none': (
        darts,
        lambda d: nodes_of(d)[1].__setitem__(0, edge('none', 0)),
        r"nodes\[3\]\[0\]\.op: expected one of .*, got 'none'",
    ),
    'darts, one cell': (
        darts,
        lambda d: d['cells'].pop(),
        r"cells: expected the cells.*'reduction",
    ),
    'darts, cells in another order': (
        darts,
        lambda d: d['cells'].reverse(),
        r"cells: expected the cells \['normal', 'reduction'\], got",
    ),
    'darts, three inputs': (
        darts,
        lambda d: d['cells'][0].update(inputs=3),
        r'cells\[0\]\.inputs: 3 is outside',
    ),
    'nasbench201, an edge less': (
        nasbench201,
        lambda d: nodes_of(d)[2].pop(1),
        r'nodes\[3\]: expected edges from',
    ),
    'nasbench201, an edge twice': (
        nasbench201,
        lambda d: nodes_of(d)[2].append(edge('none', 1)),
        r'nodes\[3\]: two edges have the same sources',
    ),
    'nasbench201, another cell': (
        nasbench201,
        lambda d: d['cells'][0].update(name='normal'),
        r"cells: expected the cells \['cell'\]",
    ),
    'chain, a layer skipped': (
        chain,
        lambda d: nodes_of(d)[2].__setitem__(0, edge('mbconv_3x3_e4_se', 1)),
        r'nodes\[3\]: expected edges from',
    ),
    'chain, two operations': (
        chain,
        lambda d: nodes_of(d)[2].append(edge('mbconv_3x3_e4_se', 1)),
        r'nodes\[3\].*length',
    ),
    'mobile, an identity first': (
        mobile,
        lambda d: d['cells'][3]['nodes'].__setitem__(0, [edge('identity', 0)]),
        r"cells\[3\]\.nodes\[1\]\[0\]\.op: the first node of a cell may not hold 'identity'; "
        r"allowed: \['mbconv_3x3_e3'",
    ),
    'mobile, a stage less': (
        mobile,
        lambda d: d['cells'].pop(),
        r"cells: expected the cells \['stage1'.*'stage6'\], got",
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_a_space_does_not_allow_is_named(case: str) -> None:
    make, change, pattern = WRONG[case]
    data = make()
    Genotype.from_dict(data)
    change(data)
    with pytest.raises(GenotypeError, match=pattern) as info:
        Genotype.from_dict(data)
    assert '\n' not in str(info.value)


def test_the_order_of_edges_does_not_count() -> None:
    one, other = darts(), darts()
    for cell in other['cells']:
        cell['nodes'] = [edges[::-1] for edges in cell['nodes']]
    assert Genotype.from_dict(one) == Genotype.from_dict(other)
    assert Genotype.from_dict(one).hash == Genotype.from_dict(other).hash
