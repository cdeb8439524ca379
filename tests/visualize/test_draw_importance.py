"""Pictures of importance: the SVG is parsed and compared with the record it was drawn from."""

import json
import math
import re

import pytest
from svg import by_id, dots, parse, paths, stroke, words
from tool import call

from ppnas_mm.visualize.genotype import draw_search
from ppnas_mm.visualize.importance import draw_importance, draw_importance_table

OPS = {
    'darts': ['none', 'skip_connect', 'sep_conv_3x3', 'max_pool_3x3'],
    'nasbench201': ['none', 'nor_conv_1x1', 'skip_connect', 'nor_conv_3x3'],
    'ppconv': ['identity', 'conv_3x3', 'conv_1x1', 'conv_5x5'],
}
EDGES = {
    'darts': [
        f'{c}/node{n}/op{i}' for c in ('normal', 'reduction') for n in (2, 3) for i in range(n)
    ],
    'nasbench201': [f'cell/node{n}/op{i}' for n in (1, 2, 3) for i in range(n)],
    'ppconv': [f'stage{s}/node{n}/op' for s in (1, 2) for n in (4, 5, 6)],
}
BOTH = pytest.mark.parametrize('draw', [draw_importance, draw_importance_table])


def search(space='darts', epochs=10, step=2):
    """A search with a warm-up of two epochs; from epoch 4 an op is gone every ``step`` epochs.

    Edge k keeps op k (modulo 4) and loses the ones after it in turn.
    """
    ops = OPS[space]
    record = {'algorithm': 'EoiNAS', 'space': space, 'seed': 3, 'choices': {}, 'epochs': []}
    for name in EDGES[space]:
        gates = name[: name.rindex('/')] + '/inputs'
        record['choices'][gates] = {'candidates': ['0', '1'], 'gates': True}
        record['choices'][name] = {'candidates': ops, 'gates': False}
    for epoch in range(1, epochs + 1):
        entry = {'epoch': epoch, 'losses': {'loss': 1 / epoch}, 'architecture': {}}
        pruned = max(0, min(len(ops) - 1, (epoch - 4) // step + 1))
        for k, name in enumerate(EDGES[space] if epoch > 2 else ()):
            row = [
                round(1.5 / (4 - pruned) + 0.01 * (i - 1) * (k + 1) / epoch, 6) for i in range(4)
            ]
            for i in range(pruned):
                row[(k + 1 + i) % 4] = None
            entry.setdefault('importance', {})[name] = row
        record['epochs'].append(entry)
    return record


def history(record, name, i):
    """The epochs and values of one op until it is gone, and the epoch at which it is."""
    rows = [(e['epoch'], e['importance'][name][i]) for e in record['epochs'] if 'importance' in e]
    known = [row for row in rows if row[1] is not None]
    return known, next((epoch for epoch, value in rows if value is None), None)


def picture(record, path, table=False):
    (draw_importance_table if table else draw_importance)(record, path)
    return by_id(parse(path))


def width(line):
    return float(re.search(r'stroke-width: ([\d.]+)', next(paths_of(line)).get('style'))[1])


def place(element, text):
    """The middle of the first such text, from left to right."""
    found = next(e for e in element.iter() if e.tag.endswith('}text') and e.text == text)
    assert 'text-anchor: middle' in found.get('style')
    return float(re.search(r'[-\d.]+', found.get('x') or found.get('transform').split('(')[1])[0])


def paths_of(element):
    return (e for e in element.iter() if e.tag.endswith('}path'))


def box(panel):
    """Left, upper, right and lower end of a panel's background."""
    xs, ys = zip(*paths(panel)[0], strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@pytest.mark.parametrize('space', OPS)
def test_lines_have_the_values_of_the_record(space, tmp_path):
    """Positions on the page are one linear map of epochs, and one of the values' logarithms."""
    record = search(space)
    ids = picture(record, tmp_path / 'a.svg')
    scale = set()
    for name in EDGES[space]:
        left, top, right, bottom = box(ids[name])
        panel, found, wanted = by_id(ids[name]), [], []
        for i in range(4):
            points, end = history(record, name, i)
            drawn = dots(panel[f'{name}[{i}]'])
            assert len(drawn) == len(points), name
            crosses = dots(panel[f'{name}[{i}]-pruned']) if end else []
            assert len(crosses) == (end is not None)
            found += [(x - left, y - top) for x, y in drawn + crosses]
            wanted += points + [(end, points[-1][1])] * len(crosses)
        (x0, y0), (x1, y1) = (
            min(zip(wanted, found, strict=True))[1],
            max(zip(wanted, found, strict=True))[1],
        )
        (e0, v0), (e1, v1) = min(wanted), max(wanted)
        across, up = (x1 - x0) / (e1 - e0), (y1 - y0) / math.log(v1 / v0)
        assert across > 0 > up, 'epochs run to the right, values upwards'
        for (epoch, value), (x, y) in zip(wanted, found, strict=True):
            assert x == pytest.approx(x0 + across * (epoch - e0), abs=1e-3)
            assert y == pytest.approx(y0 + up * math.log(value / v0), abs=1e-3)
            assert 0 <= x <= right - left and 0 <= y <= bottom - top
        scale.add((round(across, 3), round(up, 3), round(x0, 3)))
    assert len(scale) == 1, 'panels share their axes'


@pytest.mark.parametrize('epochs', [10, 40])
def test_crosses_and_lines_stand_at_the_prunings(epochs, tmp_path):
    record = search('nasbench201', epochs, epochs // 5)
    ids, thick = picture(record, tmp_path / 'a.svg'), {False: set(), True: set()}
    for name in EDGES['nasbench201']:
        ends = [history(record, name, i)[1] for i in range(4)]
        crosses = {gid for gid in by_id(ids[name]) if gid.endswith('-pruned')}
        assert crosses == {f'{name}[{i}]-pruned' for i, end in enumerate(ends) if end}
        marks = {gid for gid in by_id(ids[name]) if '-pruning-' in gid}
        assert marks == {f'{name}-pruning-{end}' for end in ends if end}
        assert len(marks) == 3
        for i, end in enumerate(ends):
            tip = paths(ids[f'{name}[{i}]'])[0][-1]
            if end:
                ((x, y),) = dots(ids[f'{name}[{i}]-pruned'])
                ((mark, _), _) = paths(ids[f'{name}-pruning-{end}'])[0]
                assert (x, y) == (pytest.approx(mark), pytest.approx(tip[1]))
                assert x > tip[0]
            else:
                assert words(ids[f'{name}-survivor']) == [OPS['nasbench201'][i]]
            thick[not end].add(width(ids[f'{name}[{i}]']))
    assert max(thick[False]) < min(thick[True])


def test_panels_mirror_the_graph(tmp_path):
    ids = picture(search(), tmp_path / 'a.svg')
    panels = [gid for gid in ids if gid in EDGES['darts']]
    assert panels == EDGES['darts']
    corner = {gid: box(ids[gid])[:2] for gid in panels}
    for a in panels:
        for b in panels:
            (cell_a, node_a, op_a), (cell_b, node_b, op_b) = a.split('/'), b.split('/')
            assert (corner[a][0] < corner[b][0]) == (op_a < op_b)
            assert (corner[a][1] < corner[b][1]) == ((cell_a, node_a) < (cell_b, node_b))
    shown = words(ids['normal/node3/op1'])
    assert 'x⁽²⁾ → x⁽⁴⁾' in shown
    assert {'normal', 'reduction', *OPS['darts'], 'pruned'} <= set(words(parse(tmp_path / 'a.svg')))


def test_nodes_with_one_op_stand_side_by_side(tmp_path):
    ids = picture(search('ppconv'), tmp_path / 'a.svg')
    corner = [box(ids[gid])[:2] for gid in EDGES['ppconv']]
    first, second = corner[:3], corner[3:]
    assert [x for x, _ in first] == sorted(x for x, _ in first) == [x for x, _ in second]
    assert len({y for _, y in first}) == len({y for _, y in second}) == 1
    assert 'x⁽⁵⁾' in words(ids['stage1/node4/op'])


def test_an_op_has_the_colour_of_the_other_pictures(tmp_path):
    record = search()
    ids = picture(record, tmp_path / 'a.svg')
    for epoch in record['epochs']:
        epoch['architecture'] = {name: [0.2, 0.3, 0.4, 0.1] for name in EDGES['darts']}
    draw_search(record, tmp_path / 'b.svg')
    other = by_id(parse(tmp_path / 'b.svg'))
    lines = [f'{name}[{i}]' for name in EDGES['darts'] for i in range(4)]
    assert [stroke(ids[line]) for line in lines] == [stroke(other[line]) for line in lines]
    assert len({stroke(ids[line]) for line in lines}) == 4


@pytest.mark.parametrize('space', OPS)
def test_table_has_the_values_before_the_last_pruning(space, tmp_path):
    record = search(space)
    ids = picture(record, tmp_path / 'a.svg', table=True)
    for k, name in enumerate(EDGES[space]):
        before = record['epochs'][6]['importance'][name]
        assert sum(v is not None for v in before) == 2
        shown = [''.join(words(ids[f'{name}[{i}]'])) for i in range(4)]
        for i, value in enumerate(before):
            end = {1: 4, 2: 6}.get((i - k) % 4)
            assert shown[i] == (f'†{end}' if end else f'{value:.3f}')
            column = place(parse(tmp_path / 'a.svg'), OPS[space][i])
            assert place(ids[f'{name}[{i}]'], shown[i]) == pytest.approx(column)
    heading = [word for word in words(parse(tmp_path / 'a.svg')) if word in OPS[space]]
    assert heading[:4] == sorted(OPS[space])


def test_choices_of_connections_are_left_out(tmp_path):
    record = search('ppconv')
    wanted = picture(record, tmp_path / 'a.svg').keys()
    for epoch in record['epochs'][2:]:
        epoch['importance']['stage1/node4/inputs'] = [0.5, 0.5]
    assert picture(record, tmp_path / 'b.svg').keys() == wanted


def test_table_is_darker_where_the_value_is_higher(tmp_path):
    record = search()
    ids = picture(record, tmp_path / 'a.svg', table=True)
    shades = {}
    for k, name in enumerate(EDGES['darts']):
        for i, value in enumerate(record['epochs'][6]['importance'][name]):
            style = next(paths_of(ids[f'box-{name}[{i}]'])).get('style')
            fill, line = re.findall('(?:fill|stroke): #(......)', style)
            assert (line == 'ffffff') == (i != k % 4), 'a frame is round what is left'
            if value is not None:
                shades[value] = sum(bytes.fromhex(fill))
    assert [shades[v] for v in sorted(shades)] == sorted(shades.values(), reverse=True)
    assert len(set(shades.values())) > 4


def test_table_of_a_search_that_goes_on(tmp_path):
    record = search(epochs=5)
    ids = picture(record, tmp_path / 'a.svg', table=True)
    for name in EDGES['darts']:
        row = record['epochs'][4]['importance'][name]
        shown = [''.join(words(ids[f'{name}[{i}]'])) for i in range(4)]
        assert shown == ['†4' if v is None else f'{v:.3f}' for v in row]
    draw_importance(record, tmp_path / 'b.svg')
    assert not any('-survivor' in gid for gid in by_id(parse(tmp_path / 'b.svg')))


@BOTH
def test_an_op_that_is_never_there(draw, tmp_path):
    record = search()
    for epoch in record['epochs'][2:]:
        epoch['importance']['normal/node2/op0'][1] = None
    draw(record, tmp_path / 'a.svg')
    ids = by_id(parse(tmp_path / 'a.svg'))
    if draw is draw_importance:
        assert not dots(ids['normal/node2/op0[1]'])
        assert 'normal/node2/op0[1]-pruned' not in ids
        assert 'normal/node2/op0-pruning-3' not in ids
    else:
        assert words(ids['normal/node2/op0[1]']) == ['†3']


@BOTH
@pytest.mark.parametrize('suffix', ['svg', 'png'])
def test_same_record_same_bytes(draw, suffix, tmp_path):
    one, two, three = (tmp_path / f'{n}.{suffix}' for n in 'abc')
    other = search('nasbench201')
    draw(other, one)
    draw(json.loads(json.dumps(other)), two)
    other['epochs'][6]['importance']['cell/node2/op1'][2] *= 1.2
    draw(other, three)
    assert one.read_bytes() == two.read_bytes() != three.read_bytes()


@BOTH
@pytest.mark.parametrize(
    'break_it',
    [
        lambda r: r.pop('choices'),
        lambda r: r.pop('seed'),
        lambda r: r.update(epochs=7),
        lambda r: r.update(epochs=r['epochs'][:2]),
        lambda r: r['choices'].pop('normal/node2/op1'),
        lambda r: r['epochs'][2]['importance'].update({'normal': [1, 2]}),
        lambda r: r['epochs'][4].update(importance={}),
        lambda r: r['epochs'][4]['importance'].update({'normal/node2/op1': [0.5]}),
        lambda r: r['epochs'][4]['importance'].update({'normal/node2/op1': ['a'] * 4}),
        lambda r: [e.update(importance={}) for e in r['epochs']],
    ],
)
def test_record_without_importance(draw, break_it, tmp_path):
    record = search()
    break_it(record)
    with pytest.raises(ValueError, match='record') as error:
        draw(record, tmp_path / 'a.svg')
    assert '\n' not in str(error.value)
    assert not list(tmp_path.iterdir())


@BOTH
def test_other_suffix(draw, tmp_path):
    with pytest.raises(ValueError, match=r'\.svg or \.png'):
        draw(search(), tmp_path / 'a.jpg')
    assert not list(tmp_path.iterdir())


def test_tool_draws_importance(tmp_path):
    (tmp_path / 'search.json').write_text(json.dumps(search()))
    for picture, expected in (
        ('importance', draw_importance),
        ('importance-table', draw_importance_table),
    ):
        out = tmp_path / f'{picture}.svg'
        assert (
            call('visualize.py', tmp_path / 'search.json', '--picture', picture, '--out', out) == 0
        )
        expected(search(), tmp_path / 'expected.svg')
        assert out.read_bytes() == (tmp_path / 'expected.svg').read_bytes()
