"""Pictures of importance: the SVG is parsed and compared with the record it was drawn from."""

import json

import pytest
from svg import by_id, dots, parse, words
from tool import call

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


@pytest.mark.parametrize('space', OPS)
def test_a_panel_has_a_line_an_operation_until_it_is_pruned(space, tmp_path):
    record = search(space)
    ids = picture(record, tmp_path / 'a.svg')
    assert [gid for gid in ids if gid in EDGES[space]] == EDGES[space]
    for name in EDGES[space]:
        panel, ends = by_id(ids[name]), [history(record, name, i)[1] for i in range(4)]
        for i, end in enumerate(ends):
            assert len(dots(panel[f'{name}[{i}]'])) == len(history(record, name, i)[0])
            assert (f'{name}[{i}]-pruned' in panel) == (end is not None)
            if end is None:
                assert words(ids[f'{name}-survivor']) == [OPS[space][i]]
        marks = {gid for gid in panel if '-pruning-' in gid}
        assert marks == {f'{name}-pruning-{end}' for end in ends if end}
    if space == 'darts':
        assert 'x⁽²⁾ → x⁽⁴⁾' in words(ids['normal/node3/op1'])
        shown = {'normal', 'reduction', *OPS['darts'], 'pruned'}
        assert shown <= set(words(parse(tmp_path / 'a.svg')))


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
    heading = [word for word in words(parse(tmp_path / 'a.svg')) if word in OPS[space]]
    assert heading[:4] == sorted(OPS[space])


def test_choices_of_connections_are_left_out(tmp_path):
    record = search('ppconv')
    wanted = picture(record, tmp_path / 'a.svg').keys()
    for epoch in record['epochs'][2:]:
        epoch['importance']['stage1/node4/inputs'] = [0.5, 0.5]
    assert picture(record, tmp_path / 'b.svg').keys() == wanted


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
