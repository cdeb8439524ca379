"""Names of the DARTS family: DARTS, P-DARTS and PC-DARTS alike, CDARTS' retraining of its own.

Facts: quark0/darts, cnn/model.py; microsoft/Cream, CDARTS/lib/models (augment_cells, ops,
model_augment).  Both number the edges of a node in the order of their genotype, which ranks them
by weight; genotypes here sort them by source.  So the order must be known: see :func:`edge_order`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..backbones.darts import CellBlock, DARTSNet, StemBlock
from ..genotype import Genotype, published
from ..layers.ops import FactorizedReduce, Separable
from .links import FormatError, Links, Parts, backbone_of, inside, link_modules

Order = dict[str, list[list[int]]]
"""Sources of each node's edges in the order of the other code base, by cell."""

RANKED = {
    'cdarts_cifar10': ('', '01'),
    'cdarts_imagenet': ('02', '0'),
    'darts_v1': ('0', '13'),
    'darts_v2': ('2', '13'),
    'pcdarts_cifar10': ('0', '0'),
    'pcdarts_imagenet': ('0', '12'),
    'pdarts': ('', ''),
}
"""Published genotypes: nodes of the normal and the reduction cell whose later source comes first.

From the genotypes of quark0/darts, pdarts, PC-DARTS and CDARTS/cells of microsoft/Cream.
"""


@dataclass(frozen=True)
class Family:
    """Names of one code base, module by module.

    ``cell`` may use ``{flat}`` (number of the cell), ``{stage}`` and ``{place}`` (a stage ends
    with a reduction cell); ``edge`` may use ``{flat}``, ``{node}`` and ``{place}``.
    """

    stems: tuple[Parts, Parts]  # CIFAR, ImageNet
    cell: str
    preprocess: str
    edge: str
    conv: Parts
    reduce: Parts
    single: Parts
    double: Parts
    heads: Parts


IMAGENET_STEM = tuple(
    f'{unit}.{part}'
    for unit in ('stem.0', 'layer1.0.conv', 'layer2.0.conv')
    for part in ('conv', 'bn')
)
UNIT = ('depthwise', 'pointwise', 'norm')
TOWER = ('2.conv', '2.bn', '3.conv', '3.bn')


def _numbered(names: tuple[str, ...], pattern: str, numbers: tuple[Any, ...]) -> Parts:
    return tuple((n, pattern.format(i)) for n, i in zip(names, numbers, strict=True))


def _heads(classifier: str, tower: str) -> Parts:
    features = _numbered(TOWER, tower + '.features.{}', (2, 3, 5, 6))
    features += (('6', f'{tower}.classifier'),)
    return (('fc', classifier), *((f'auxiliary.{a}', b) for a, b in features))


FAMILIES = {
    'darts': Family(
        stems=(
            (('stem.0.conv', 'stem.0'), ('stem.0.bn', 'stem.1')),
            _numbered(IMAGENET_STEM, 'stem{}', ('0.0', '0.1', '0.3', '0.4', '1.1', '1.2')),
        ),
        cell='cells.{flat}',
        preprocess='preprocess{}',
        edge='_ops.{flat}',
        conv=(('conv', 'op.1'), ('bn', 'op.2')),
        reduce=(('even', 'conv_1'), ('odd', 'conv_2'), ('norm', 'bn')),
        single=_numbered(tuple(f'0.{u}' for u in UNIT), 'op.{}', (1, 2, 3)),
        double=_numbered(
            tuple(f'{i}.{u}' for i in (0, 1) for u in UNIT), 'op.{}', (1, 2, 3, 5, 6, 7)
        ),
        heads=_heads('classifier', 'auxiliary_head'),
    ),
    'cdarts': Family(
        stems=(
            (('stem.0.conv', 'feature_extractor.0.0'), ('stem.0.bn', 'feature_extractor.0.1')),
            _numbered(
                IMAGENET_STEM, 'feature_extractor.{}', ('0.0', '0.1', '0.3', '0.4', '1.1', '1.2')
            ),
        ),
        cell='nas_layers.{stage}.{place}',
        preprocess='preproc{}',
        edge='dag.{node}.{place}.0',  # the operation and its drop path are a sequence
        conv=(('conv', 'net.1'), ('bn', 'net.2')),
        reduce=(('even', 'conv1'), ('odd', 'conv2'), ('norm', 'bn')),
        single=_numbered(tuple(f'0.{u}' for u in UNIT), 'net.{}', (1, 2, 3)),
        double=tuple(
            (f'{i}.{u}', f'net.{i}.net.{n}') for i in (0, 1) for n, u in enumerate(UNIT, 1)
        ),
        heads=_heads('fc', 'aux_head'),
    ),
}


def applies(model: nn.Module) -> bool:
    """Whether a network, or the backbone of a model, is of the DARTS space."""
    net = backbone_of(model)[1]
    stems = [m for m in net.modules() if isinstance(m, StemBlock)]
    return (
        isinstance(net, DARTSNet) and len(stems) != 1
    )  # only this package has the segmentation stem


def _ascending(genotype: Genotype) -> Order:
    return {c.name: [[e.sources[0] for e in edges] for edges in c.nodes] for c in genotype.cells}


def _read(text: str, genotype: Genotype) -> Order:
    """Read ``Genotype(normal=[('sep_conv_3x3', 1), ...], ..., reduce=[...], ...)`` as data."""
    try:
        call = ast.parse(text[text.index('Genotype(') :].strip(), mode='eval').body
        assert isinstance(call, ast.Call)
        fields = {k.arg: k.value for k in call.keywords}
        genes = {n: ast.literal_eval(fields[f]) for n, f in CELLS}
        order: Order = {}
        for cell in genotype.cells:
            edges = [e for e in genes[cell.name] if isinstance(e, tuple)]
            edges = edges or [e for node in genes[cell.name] for e in node]
            pairs = [edges[i : i + 2] for i in range(0, len(edges), 2)]
            own = [{(e.op, e.sources[0]) for e in node} for node in cell.nodes]
            if [{(op, int(source)) for op, source in pair} for pair in pairs] != own:
                raise FormatError(f'--edges: the {cell.name} cell is not that of the network')
            order[cell.name] = [[source for _, source in pair] for pair in pairs]
    except (ValueError, SyntaxError, KeyError, TypeError, AssertionError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            '--edges: expected the words "ascending" or "Genotype(normal=[(\'sep_conv_3x3\', 1), '
            f'...], ..., reduce=[...], ...)", got {text!r:.60}'
        ) from None
    return order


CELLS = (('normal', 'normal'), ('reduction', 'reduce'))


def edge_order(genotype: Genotype, edges: str | None) -> Order | None:
    """Return the order in which the other side numbers the edges of each node.

    Args:
        genotype: Ours, sorted by source.
        edges: The other side's ``Genotype(...)`` as text, or ``'ascending'``; ``None``: that of a
            published genotype.

    Returns:
        ``None`` if ``edges`` is not given and the genotype is not published.

    Raises:
        FormatError: If ``edges`` cannot be read or belongs to another architecture.
    """
    order = _ascending(genotype)
    if edges is not None:
        return order if edges == 'ascending' else _read(edges, genotype)
    names = [n for n in RANKED if n in published() and Genotype.load(n).hash == genotype.hash]
    if not names:
        return None
    for (cell, _), nodes in zip(CELLS, RANKED[names[0]], strict=True):
        for node in nodes:
            order[cell][int(node)].reverse()
    return order


def _edge_paths(cell: CellBlock, here: str, there: str, family: Family, order: Order) -> dict:
    paths: dict[str, str] = {}
    nodes: Any = cell.dag.nodes
    for n, (ops, sources) in enumerate(zip(nodes, cell.dag.sources, strict=True)):  # type: ignore[arg-type]
        for j, (op, source) in enumerate(zip(ops, sources, strict=True)):
            place = order[cell.kind][n].index(source)
            parts: Parts = ()
            if isinstance(op, FactorizedReduce):
                parts = family.reduce
            elif isinstance(op, nn.Sequential) and isinstance(op[0], Separable):
                parts = family.double if len(op) == 2 else family.single
            edge = family.edge.format(flat=len(ops) * n + place, node=n, place=place)
            paths |= inside(f'{here}.dag.nodes.{n}.{j}', f'{there}.{edge}', parts)
    return paths


def links(form: str, model: nn.Module, order: Order | None) -> Links:
    """Link every tensor of a network of the DARTS space, or a classifier of one.

    Args:
        form: A key of :data:`FAMILIES`.
        model: The network.
        order: See :func:`edge_order`; ``None``: ascending, good enough to recognise a file.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    family = FAMILIES[form]
    root, net = backbone_of(model)
    order = _ascending(net.genotype) if order is None else order  # type: ignore[arg-type]
    stems = [m for m in net.modules() if isinstance(m, StemBlock)]
    paths = {root + a: b for a, b in family.stems[len(stems) == 2]}
    flat = stage = place = 0
    for name, cell in net.named_modules():
        if not isinstance(cell, CellBlock):
            continue
        here, there = root + name, family.cell.format(flat=flat, stage=stage, place=place)
        for i, block in enumerate((cell.preprocess0, cell.preprocess1)):
            parts = family.reduce if isinstance(block, FactorizedReduce) else family.conv
            outer = f'{there}.{family.preprocess.format(i)}'
            paths |= inside(f'{here}.preprocess{i}', outer, parts)
        paths |= _edge_paths(cell, here, there, family, order)
        flat, place = flat + 1, place + 1
        if cell.kind == 'reduction':
            stage, place = stage + 1, 0
    paths |= {f'head.{a}': b for a, b in family.heads}
    return link_modules(model, paths, form)
