"""Hypothesis strategies of genotypes and damaged files, and the properties that hold for them."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ppnas_mm.genotype import (
    GENOTYPE_DIR,
    SPACE_RULES,
    Cell,
    Edge,
    Genotype,
    GenotypeError,
    SpaceRule,
)

MOST = 5  # stands for "no upper bound"
NAMES = st.text(min_size=1, max_size=8)
PROVENANCE = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.lists(st.integers(), max_size=3),
    max_size=3,
)  # fmt: skip


def _count(bounds: tuple[int, int | None], cap: int = MOST) -> Any:
    low, high = bounds
    return st.integers(low, max(low, min(cap, cap if high is None else high)))


def _sources(draw: Any, rule: SpaceRule, node: int) -> tuple[int, ...]:
    size = draw(_count(rule.sources, cap=min(MOST, node)))
    sources = st.lists(st.integers(0, node - 1), min_size=size, max_size=size, unique=True)
    return tuple(draw(sources))


def _wiring(draw: Any, rule: SpaceRule, node: int) -> list[tuple[int, ...]]:
    """The sources of each edge of a node, in any order."""
    if rule.wiring == 'previous':
        return [(node - 1,)]
    if rule.wiring == 'every':
        return draw(st.permutations([(i,) for i in range(node)]))
    number, read = draw(_count(rule.edges)), {}
    for _ in range(number):
        sources = _sources(draw, rule, node)
        read[frozenset(sources)] = sources  # two edges have different sources
    spare = (i for i in range(node) if frozenset([i]) not in read)
    while len(read) < rule.edges[0]:
        i = next(spare)
        read[frozenset([i])] = (i,)
    return list(read.values())


def _allowed(rule: SpaceRule, first: bool) -> list[str]:
    """Operations that a node may hold."""
    return sorted(rule.ops - rule.not_first if first else rule.ops)


@st.composite
def genotypes(draw: Any, space: str) -> Genotype:
    """Random architectures that keep the rules of a space."""
    rule = SPACE_RULES[space]
    names = rule.cells or draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    cells = []
    for name in names:
        inputs = draw(_count(rule.inputs))
        nodes = []
        for node in range(inputs, inputs + (inputs if rule.square else draw(st.integers(1, MOST)))):
            ops = st.sampled_from(_allowed(rule, node == inputs))
            edges = [Edge(draw(ops), sources) for sources in _wiring(draw, rule, node)]
            nodes.append(tuple(edges))
        cells.append(Cell(name, inputs, tuple(nodes)))
    return Genotype(space, tuple(cells), draw(PROVENANCE))


@st.composite
def changed(draw: Any, genotype: Genotype) -> Genotype:
    """The architecture with the op or the sources of one edge changed."""
    rule = SPACE_RULES[genotype.space]
    c = draw(st.integers(0, len(genotype.cells) - 1))
    cell = genotype.cells[c]
    n = draw(st.integers(0, len(cell.nodes) - 1))
    e = draw(st.integers(0, len(cell.nodes[n]) - 1))
    ops = _allowed(rule, n == 0)
    edge, taken = cell.nodes[n][e], [set(edge.sources) for edge in cell.nodes[n]]
    sources = edge.sources
    if rule.wiring == 'any':
        sources = _sources(draw, rule, cell.inputs + n)
    if set(sources) in taken:
        other = Edge(draw(st.sampled_from([op for op in ops if op != edge.op])), edge.sources)
    else:
        other = Edge(draw(st.sampled_from(ops)), sources)
    edges = (*cell.nodes[n][:e], other, *cell.nodes[n][e + 1 :])
    nodes = (*cell.nodes[:n], edges, *cell.nodes[n + 1 :])
    cells = (*genotype.cells[:c], replace(cell, nodes=nodes), *genotype.cells[c + 1 :])
    return replace(genotype, cells=cells)


VALID_FILES = [path.read_bytes() for path in sorted(GENOTYPE_DIR.glob('*.json'))]
BYTES = st.sampled_from(b'0123456789"{}[],:-.eE\\tfnu \n\x00\xff') | st.integers(0, 255)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(['replace', 'insert', 'delete']), st.floats(0, 1, exclude_max=True), BYTES
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def damaged_files(draw: Any) -> bytes:
    """Files of published or random architectures with a few bytes changed."""
    data = bytearray(draw(st.sampled_from(VALID_FILES)))
    for kind, place, byte in draw(EDITS):
        at = int(place * len(data))
        if kind == 'insert':
            data.insert(at, byte)
        elif data:
            data[at : at + 1] = b'' if kind == 'delete' else bytes([byte])
    return bytes(data)


# -- properties, shared with tests/slow ------------------------------------------------------------


def check_round_trip(genotype: Genotype) -> None:
    """A genotype survives text, bytes and dicts, provenance included."""
    text = genotype.to_json()
    for again in (
        Genotype.from_json(text),
        Genotype.from_json(text.encode()),
        Genotype.from_dict(genotype.to_dict()),
        Genotype.load(json.loads(text)),
    ):
        assert again == genotype
        assert again.hash == genotype.hash
        assert again.provenance == genotype.provenance
        assert again.to_json() == text


def check_hash(genotype: Genotype, other: Genotype) -> None:
    """The hash ignores provenance and the order of a node's edges, and sees any changed edge."""
    assert replace(genotype, provenance={'note': 'another'}).hash == genotype.hash
    turned = [
        replace(cell, nodes=tuple(edges[::-1] for edges in cell.nodes)) for cell in genotype.cells
    ]
    assert replace(genotype, cells=tuple(turned)) == genotype
    assert other.hash != genotype.hash
    assert other != genotype


def check_damaged(data: bytes) -> None:
    """A damaged file raises nothing but a one-line ``GenotypeError``, or is still whole."""
    try:
        genotype = Genotype.from_json(data)
    except GenotypeError as error:
        assert '\n' not in str(error)
        assert str(error).startswith('genotype: ')
    else:
        check_round_trip(genotype)
