"""Genotypes: JSON and back, the hash, published files, and every way a file can be wrong."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    changed,
    check_damaged,
    check_hash,
    check_round_trip,
    damaged_files,
    genotypes,
)

from ppnas_mm.genotype import (
    GENOTYPE_DIR,
    SPACE_RULES,
    Cell,
    Edge,
    Genotype,
    GenotypeError,
    published,
)

FEW = settings(max_examples=200, deadline=None, database=None)

# the compact notation of the authors: 1-based nodes, S identity, C 3x3 convolution, | stages
PUBLISHED = {
    'pp_resnet_imagenet': '24S 13C 6C 67C|34S 12C 6C 7C|23S 14C 6C 7C|12S 34C 6C 347C',
    'pp_resnet_imagenet_g2': '23S 14C 6C 67C|134S 12C 6C 7C|124S 234C 6C 7C|1S 23C 6C 47C',
    'pp_resnet_cifar10': '14S 2345C 6C 7C|1S 234C 6C 67C|24S 135C 6C 7C',
    'pp_resnet_cifar100': '23S 145C 6C 67C|14S 23C 6C 7C|13S 1245C 6C 7C',
    'pp_resnet_random_full1': '123S 5C 1234C 34C|23S 5C 236C 167C|3S 145C 235C 157C',
    'pp_resnet_random_full2': '124S 1245C 1256C 36C|123S 25C 145C 123467C|14S 125C 246C 7C',
    'pp_resnet_random_constrained1': '1S 123C 15C 1245C|4S 1234C 235C 2356C|34S 24C 146C 34567C',
    'pp_resnet_random_constrained2': '12S 24C 1C 3C|24S 345C 1346C 1257C|3S 34C 12456C 45C',
}


def from_compact(text: str) -> tuple[Cell, ...]:
    cells = []
    for s, stage in enumerate(text.split('|'), 1):
        nodes = []
        for word in stage.split():
            op = {'S': 'identity', 'C': 'conv_3x3'}[word[-1]]
            nodes.append((Edge(op, tuple(int(digit) - 1 for digit in word[:-1])),))
        cells.append(Cell(f'stage{s}', 4, tuple(nodes)))
    return tuple(cells)


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_files_hold_the_authors_architectures(name: str) -> None:
    genotype = Genotype.load(name)
    assert genotype.space == 'ppconv'
    assert genotype.cells == from_compact(PUBLISHED[name])


@pytest.mark.parametrize('name', published())
def test_every_published_file_is_whole(name: str, tmp_path: Path) -> None:
    genotype = Genotype.load(name)
    check_round_trip(genotype)
    assert genotype.provenance['paper'] and genotype.provenance['source']
    assert (GENOTYPE_DIR / f'{name}.json').read_text() == genotype.to_json()
    genotype.save(tmp_path / 'new' / 'copy.json')
    assert Genotype.load(tmp_path / 'new' / 'copy.json') == genotype
    assert Genotype.load(str(tmp_path / 'new' / 'copy.json')) == genotype
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['copy.json']


def test_published_names_differ_in_their_hashes() -> None:
    hashes = {Genotype.load(name).hash for name in published()}
    assert len(hashes) == len(published()) >= len(PUBLISHED)
    assert all(len(h) == 64 and set(h) <= set('0123456789abcdef') for h in hashes)


@pytest.mark.parametrize('space', sorted(SPACE_RULES))
@FEW
@given(data=st.data())
def test_random_genotypes_round_trip(space: str, data: st.DataObject) -> None:
    genotype = data.draw(genotypes(space))
    check_round_trip(genotype)
    check_hash(genotype, data.draw(changed(genotype)))


@settings(FEW, max_examples=2000)
@given(damaged_files())
def test_damaged_files_raise_only_genotype_errors(data: bytes) -> None:
    check_damaged(data)


@pytest.mark.parametrize('name', published()[:1])
def test_every_truncation_is_refused(name: str) -> None:
    text = (GENOTYPE_DIR / f'{name}.json').read_bytes().rstrip()
    for length in range(len(text)):
        with pytest.raises(GenotypeError, match='not valid JSON'):
            Genotype.from_json(text[:length])


def base() -> dict[str, Any]:
    nodes = [[{'op': 'identity', 'sources': [0]}], [{'op': 'conv_3x3', 'sources': [1, 2]}]]
    cell = {'name': 'stage1', 'inputs': 2, 'nodes': nodes}
    second = {**copy.deepcopy(cell), 'name': 'stage2'}
    return {'schema': 1, 'space': 'ppconv', 'cells': [cell, second], 'provenance': {'paper': 'x'}}


REMOVE = object()


def put(*path: Any, value: Any = REMOVE) -> Callable[[], dict[str, Any]]:
    """Return a maker of the base dict with one entry replaced or removed."""

    def make() -> dict[str, Any]:
        data: Any = base()
        node = data
        for key in path[:-1]:
            node = node[key]
        if value is REMOVE:
            del node[path[-1]]
        else:
            node[path[-1]] = value
        return data

    return make


EDGE = ('cells', 1, 'nodes', 1, 0)
SPOT = r'cells\[1\]\.nodes\[3\]\[0\]'
WRONG_VALUES = {
    'newer schema': (put('schema', value=2), 'schema'),
    'schema as text': (put('schema', value='1'), 'schema'),
    'schema as bool': (put('schema', value=True), 'schema'),
    'schema as float': (put('schema', value=1.0), 'schema'),
    'no schema': (put('schema'), "missing key 'schema'"),
    'unknown space': (put('space', value='ppconw'), 'space'),
    'space of another type': (put('space', value=['ppconv']), 'space'),
    'no cells': (put('cells', value=[]), 'cells'),
    'cells an object': (put('cells', value={}), 'cells'),
    'unknown top field': (put('arch', value=1), "unknown key 'arch'"),
    'cell no object': (put('cells', 1, value=7), r'cells\[1\]'),
    'two cells of one name': (put('cells', 1, 'name', value='stage1'), 'cells'),
    'empty name': (put('cells', 1, 'name', value=''), r'cells\[1\]\.name'),
    'name a number': (put('cells', 1, 'name', value=1), r'cells\[1\]\.name'),
    'inputs zero': (put('cells', 1, 'inputs', value=0), r'cells\[1\]\.inputs'),
    'inputs a bool': (put('cells', 1, 'inputs', value=True), r'cells\[1\]\.inputs'),
    'inputs huge': (put('cells', 1, 'inputs', value=10**9), r'cells\[1\]\.inputs'),
    'node missing': (put('cells', 1, 'nodes', 0), r'cells\[1\]\.nodes'),
    'nodes an object': (put('cells', 1, 'nodes', value={}), r'cells\[1\]\.nodes'),
    'node without edges': (put('cells', 1, 'nodes', 0, value=[]), r'nodes\[2\].*without input'),
    'node without input': (put(*EDGE, 'sources', value=[]), rf'{SPOT}\.sources'),
    'two edges a node': (put('cells', 1, 'nodes', 1, value=[{}, {}]), r'cells\[1\]\.nodes\[3\]'),
    'edge no object': (put(*EDGE, value='conv_3x3'), SPOT),
    'unknown op': (put(*EDGE, 'op', value='conv_9x9'), rf'{SPOT}\.op.*conv_9x9'),
    'op of another type': (put(*EDGE, 'op', value=3), rf'{SPOT}\.op'),
    'no op': (put(*EDGE, 'op'), rf"{SPOT}.*missing key 'op'"),
    'unknown edge field': (put(*EDGE, 'scale', value=1), rf"{SPOT}.*unknown key 'scale'"),
    'unknown connection': (put(*EDGE, 'sources', value=[99]), rf'{SPOT}\.sources'),
    'connection out of any range': (put(*EDGE, 'sources', value=[10**12]), rf'{SPOT}\.sources'),
    'self loop': (put(*EDGE, 'sources', value=[3]), rf'{SPOT}\.sources.*cycle'),
    'cycle': (
        put('cells', 1, 'nodes', 0, 0, 'sources', value=[3]),
        r'nodes\[2\]\[0\]\.sources.*cycle',
    ),
    'negative source': (put(*EDGE, 'sources', value=[-1]), rf'{SPOT}\.sources'),
    'source twice': (put(*EDGE, 'sources', value=[1, 1]), rf'{SPOT}\.sources.*twice'),
    'source a bool': (put(*EDGE, 'sources', value=[True]), rf'{SPOT}\.sources'),
    'source a float': (put(*EDGE, 'sources', value=[1.0]), rf'{SPOT}\.sources'),
    'source text': (put(*EDGE, 'sources', value=['1']), rf'{SPOT}\.sources'),
    'sources no list': (put(*EDGE, 'sources', value=1), rf'{SPOT}\.sources'),
    'provenance a list': (put('provenance', value=[]), 'provenance'),
    'provenance not plain': (put('provenance', value={'a': {1, 2}}), 'provenance'),
    'provenance not finite': (put('provenance', value={'a': float('nan')}), 'provenance'),
    'line break in a value': (put('space', value='a\nb'), 'space'),
    'line break in a key': (put('a\nb', value=1), 'unknown key'),
}


@pytest.mark.parametrize('case', WRONG_VALUES)
def test_wrong_values_name_the_field_in_one_line(case: str) -> None:
    make, pattern = WRONG_VALUES[case]
    Genotype.from_dict(base())
    with pytest.raises(GenotypeError, match=pattern) as info:
        Genotype.from_dict(make())
    assert '\n' not in str(info.value)


DEEP = 100_000
TEXT = json.dumps(base())
WRONG_TEXTS = {
    'empty': (b'', 'not valid JSON'),
    'not JSON': (b'schema = 1', 'not valid JSON'),
    'two documents': (TEXT.encode() * 2, 'not valid JSON'),
    'not UTF-8': (TEXT.replace('stage1', 'st\xe4ge1').encode('latin-1'), 'not valid JSON'),
    'deep nesting': (b'[' * DEEP + b']' * DEEP, 'not valid JSON'),
    'deep provenance': (
        TEXT.replace('"x"', '[' * DEEP + ']' * DEEP).encode(),
        'not valid JSON|provenance',
    ),
    'a list': (b'[]', 'file'),
    'null': (b'null', 'file'),
    'NaN': (TEXT.replace('"x"', 'NaN').encode(), 'provenance: not plain JSON'),
    'infinity': (TEXT.replace('"x"', '-Infinity').encode(), 'provenance: not plain JSON'),
    'a number too large': (TEXT.replace('"x"', '1e999').encode(), 'provenance'),
    'thousands of digits': (TEXT.replace('"inputs": 2', f'"inputs": {"9" * 5000}').encode(), ''),
    'key twice': (TEXT.replace('"schema"', '"schema": 1, "schema"').encode(), 'twice.*schema'),
    'inner key twice': (TEXT.replace('"op"', '"op": "x", "op"').encode(), 'twice.*op'),
}


@pytest.mark.parametrize('case', WRONG_TEXTS)
def test_wrong_files_raise_one_line(case: str, tmp_path: Path) -> None:
    data, pattern = WRONG_TEXTS[case]
    path = tmp_path / 'genotype.json'
    path.write_bytes(data)
    for load in (lambda: Genotype.from_json(data), lambda: Genotype.load(path)):
        with pytest.raises(GenotypeError, match=pattern) as info:
            load()
        assert '\n' not in str(info.value)
        assert len(str(info.value)) < 1000


@pytest.mark.parametrize('depth', [300, 600, 900, 960, 1000, 1200, 1490])
def test_what_loads_can_be_saved(depth: int, tmp_path: Path) -> None:
    text = TEXT.replace('"x"', '[' * depth + ']' * depth)
    try:
        genotype = Genotype.from_json(text)
    except GenotypeError:
        return
    genotype.save(tmp_path / 'genotype.json')
    assert Genotype.load(tmp_path / 'genotype.json') == genotype


@pytest.mark.parametrize(
    'source', ['pp_resnet_imagenette', 'no/such/file.json', '', 'a\0b', 'x' * 5000]
)
def test_a_missing_file_names_itself_and_the_published_ones(source: str) -> None:
    with pytest.raises(GenotypeError, match='pp_resnet_cifar10') as info:
        Genotype.load(source)
    assert '\n' not in str(info.value)
    assert source[:20].replace('\0', '')[:1] in str(info.value)


@pytest.mark.parametrize('source', [None, 3, b'x', ['a']])
def test_loading_from_another_type_is_refused(source: Any) -> None:
    with pytest.raises(GenotypeError, match='name, path or dict'):
        Genotype.load(source)


def test_a_genotype_cannot_be_built_wrong() -> None:
    good = Genotype('ppconv', (Cell('a', 1, ((Edge('identity', (0,)),),)),))
    assert Genotype.load(good) is good
    assert hash(good) == hash(Genotype.from_json(good.to_json()))
    with pytest.raises(GenotypeError, match='cycle'):
        Genotype('ppconv', (Cell('a', 1, ((Edge('identity', (1,)),),)),))
    with pytest.raises(GenotypeError, match=r'nodes \(length\)'):
        Genotype('ppconv', (Cell('a', 2, ((Edge('identity', (0,)),),)),))
    with pytest.raises(AttributeError):
        good.space = 'other'  # type: ignore[misc]
