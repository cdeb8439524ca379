"""Shared by the tests of visualize and others."""

import re
from xml.etree import ElementTree

NUMBER = re.compile(r'-?\d+(?:\.\d+)?')


RAISED = dict(zip('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹', strict=True))


def parse(path):
    return ElementTree.parse(path).getroot()


def by_id(root):
    items = [(e.get('id'), e) for e in root.iter() if e.get('id')]
    assert len(dict(items)) == len(items), 'an id is given twice'
    return dict(items)


def words(root):
    return [''.join(e.itertext()).strip() for e in root.iter() if e.tag.endswith('}text')]


def paths(element):
    """The points of each path in an element."""
    found = []
    for child in element.iter():
        if child.tag.endswith('}path'):
            numbers = [float(n) for n in NUMBER.findall(child.get('d'))]
            found.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return found


def bounds(element):
    xs, ys = zip(*paths(element)[0], strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def distance(point, box):
    """How far a point is outside a box; negative inside."""
    (x, y), (x0, y0, x1, y1) = point, box
    return max(x0 - x, x - x1, y0 - y, y - y1)


def label(node):
    return 'x⁽' + ''.join(RAISED[c] for c in str(node + 1)) + '⁾'


def arrows(genotype):
    """Every connection of a genotype: (cell, source, node, edge)."""
    return [
        (c, source, node, k)
        for c, cell in enumerate(genotype.cells)
        for node, edges in enumerate(cell.nodes, cell.inputs)
        for k, edge in enumerate(edges)
        for source in edge.sources
    ]


def check_picture(genotype, path):
    """Compare an SVG with its genotype: panels, labels, ops and arrows."""
    root = parse(path)
    ids = by_id(root)
    cells = {name: e for name, e in ids.items() if name.startswith('cell-')}
    assert list(cells) == [f'cell-{c}' for c in range(len(genotype.cells))]
    for c, cell in enumerate(genotype.cells):
        panel = by_id(cells[f'cell-{c}'])
        expected = {f'edge-{"-".join(map(str, a))}' for a in arrows(genotype) if a[0] == c}
        assert {name for name in panel if name.startswith('edge-')} == expected
        shown = words(cells[f'cell-{c}'])
        ops = [e.op for edges in cell.nodes for e in edges]
        labels = [label(n) for n in range(cell.inputs + len(cell.nodes))]
        assert sorted(shown) == sorted([cell.name, *labels, *ops])
        for node, edges in enumerate(cell.nodes, cell.inputs):
            for k, edge in enumerate(edges):
                assert words(panel[f'op-{c}-{node}-{k}']) == [edge.op]
        read = {source for a, source, _, _ in arrows(genotype) if a == c}
        for i in range(cell.inputs):
            outline = ElementTree.tostring(panel[f'input-{c}-{i}']).decode()
            assert ('stroke-dasharray' in outline) == (i not in read)
    return root


def curve(points, steps=40):
    """Points on an arrow, ends left out."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points if len(points) == 4 else (points * 2)[:4]
    for t in (i / steps for i in range(1, steps)):
        if len(points) == 2:
            yield x0 + (x1 - x0) * t, y0 + (y1 - y0) * t
        else:
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3


def check_no_overlap(root):
    """No box covers another one, no arrow runs through a box, all is inside the picture."""
    ids = by_id(root)
    boxes = [bounds(e) for n, e in ids.items() if n.startswith(('input-', 'node-'))]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    page = tuple(float(n) for n in root.get('viewBox').split())
    for name, element in ids.items():
        if name.startswith('edge-'):
            points = list(curve(paths(element)[0]))
            assert all(distance(p, box) > -0.6 for p in points for box in boxes), name
            assert all(distance(p, page) < 0 for p in points), name
    assert all(distance(box[:2], page) < 0 and distance(box[2:], page) < 0 for box in boxes)


def dots(element):
    """The data points of a line in the picture."""
    return [
        (float(e.get('x')), float(e.get('y'))) for e in element.iter() if e.tag.endswith('}use')
    ]


def stroke(element):
    return re.search('stroke: (#......)', ElementTree.tostring(element).decode())[1]
