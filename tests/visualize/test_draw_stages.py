"""Pictures of a shrinking super-net: the SVG is compared with the record it was drawn from."""

import json
import math
import re
from itertools import pairwise

import pytest
from svg import bounds, by_id, parse, paths, words
from tool import call

from ppnas_mm.visualize.stages import draw_growth, draw_stages

KERNELS = [f'mbconv_{k}x{k}_e{e}' for k in (3, 5, 7) for e in (3, 6)]
DARTS = ['none', 'max_pool_3x3', 'avg_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'sep_conv_5x5']
CHOICES = {
    'mobile': {
        f'stage{s}/node{n}/op': [*KERNELS, 'identity'][: 6 + (n > 1)]
        for s in range(1, 7)
        for n in range(1, 5 if s < 6 else 2)
    },
    'darts': {
        f'{c}/node{n}/op{i}': [*DARTS, 'dil_conv_3x3', 'dil_conv_5x5']
        for c in ('normal', 'reduction')
        for n in (2, 3, 4, 5)
        for i in range(n)
    },
    'nasbench201': {
        f'cell/node{n}/op{i}': ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3']
        for n in (1, 2, 3)
        for i in range(n)
    },
}
CURVES = ['log10_size', 'operations', 'parameters', 'memory_mib']
BOTH = pytest.mark.parametrize('draw', [draw_stages, draw_growth])


def search(space='nasbench201', stages=3, epochs=12):
    """A search that shrinks after epochs 4, 6, ...: row k loses its op k + stage (modulo)."""
    record = {'algorithm': 'SENAS', 'space': space, 'seed': 3, 'choices': {}, 'epochs': []}
    for name, ops in CHOICES[space].items():
        gates = name[: name.rindex('/')] + '/inputs'
        record['choices'][gates] = {'candidates': ['0', '1'], 'gates': True}
        record['choices'][name] = {'candidates': ops, 'gates': False}
    names, merged = list(CHOICES[space]), []
    for epoch in range(1, epochs + 1):
        entry = {'epoch': epoch, 'losses': {'loss': 1 / epoch}, 'architecture': {}}
        stage, rest = divmod(epoch - 2, 2)
        done = max(0, min(stages, stage))
        if 1 <= stage <= stages and not rest:
            lost = [(n, CHOICES[space][n]) for n in names[stage - 1 :]]  # the first keep some
            dropped = [(n, ops[(names.index(n) + stage) % len(ops)]) for n, ops in lost]
            row = [{'choice': n, 'op': op, 'score': -0.3, 'importance': None} for n, op in dropped]
            entry['shrinking'] = {'stage': stage, 'dropped': row}
            merged = [names[:2], names[2 : 3 + stage]]
        left = 1000 - 7 * done
        entry['super_net'] = {
            'operations': left,
            'log10_size': round(math.log10(left), 3),
            'parameters': 1100000 + 90000 * (done % 2),
            'memory_mib': 12.6 + done,
        }
        if merged:
            entry['super_net']['merged'] = merged
        record['epochs'].append(entry)
    entry['selection'] = {'method': 'evolution', 'evaluated': 9, 'accuracy': 71.0, 'costs': {}}
    for name, choice in record['choices'].items():
        best = names.index(name) % len(choice['candidates']) if not choice['gates'] else 0
        entry['architecture'][name] = [float(i == best) for i in range(len(choice['candidates']))]
    return record


def lost(record):
    """The stage after which each operation was dropped."""
    shrinkings = [entry['shrinking'] for entry in record['epochs'] if 'shrinking' in entry]
    return {(d['choice'], d['op']): s['stage'] for s in shrinkings for d in s['dropped']}


def rows(record):
    return {n: c['candidates'] for n, c in record['choices'].items() if not c['gates']}


def picture(draw, record, path):
    draw(record, path)
    return by_id(parse(path))


def fill(element):
    (path,) = (e for e in element.iter() if e.tag.endswith('}path'))
    return re.search('fill: #(......)', path.get('style'))[1]


def light(colour):
    return sum(bytes.fromhex(colour))


def overlap(a, b):
    """How far two boxes reach into each other."""
    return min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])


@pytest.mark.parametrize('stages', [0, 3])
@pytest.mark.parametrize('space', CHOICES)
def test_boxes_have_the_stage_of_their_dropping(space, stages, tmp_path):
    record = search(space, stages)
    ids, gone = picture(draw_stages, record, tmp_path / 'a.svg'), lost(record)
    colours, strong = {}, set()
    assert len(set(gone.values())) == stages
    wanted = {f'{n}[{i}]' for n, ops in rows(record).items() for i in range(len(ops))}
    assert {gid[4:] for gid in ids if gid.startswith('box-') and '/' in gid} == wanted
    for name, ops in rows(record).items():
        for i, op in enumerate(ops):
            stage, gid = gone.get((name, op)), f'{name}[{i}]'
            shown = words(ids[gid]) if gid in ids else []
            assert ''.join(shown) == ('' if stage is None else str(stage))
            shade = fill(ids[f'box-{gid}'])
            if stage is None:
                assert shade == fill(ids[f'op-{op}']) == fill(ids[f'key-left-{op}'])
                strong.add(shade)
            else:
                colours.setdefault(stage, set()).add(shade)
    assert all(len(found) == 1 for found in colours.values()), 'a stage has one shade'
    drops = [min(colours[s]) for s in sorted(colours)]
    assert len(set(drops)) == stages and not strong & set(drops)
    assert [light(c) for c in drops] == sorted(map(light, drops), reverse=True), 'late is darker'
    assert all(light(c) > light(s) for c in drops for s in strong), 'what is left is strong'
    assert [fill(ids[f'key-{s}']) for s in sorted(colours)] == drops


@pytest.mark.parametrize('space', CHOICES)
def test_a_row_a_choice_a_column_an_operation(space, tmp_path):
    record = search(space)
    ids, columns = picture(draw_stages, record, tmp_path / 'a.svg'), {}
    boxes, tops = [], []
    for name, ops in rows(record).items():
        places = [bounds(ids[f'box-{name}[{i}]']) for i in range(len(ops))]
        assert len({round(y, 3) for _, y, _, _ in places}) == 1
        for op, box in zip(ops, places, strict=True):
            columns.setdefault(op, set()).add(round(box[0], 3))
        boxes, tops = boxes + places, [*tops, places[0][1]]
    assert tops == sorted(set(tops)), 'rows stand in the order of the layers'
    assert all(len(xs) == 1 for xs in columns.values())
    lefts = [min(xs) for xs in columns.values()]
    assert lefts == sorted(set(lefts)), 'columns stand in the order of the candidates'
    assert all(min(overlap(a, b)) < 0.01 for k, a in enumerate(boxes) for b in boxes[:k])
    gaps = {}
    for (above, before), (top, name) in pairwise(zip(tops, rows(record), strict=True)):
        same = name.split('/')[0] == before.split('/')[0]
        gaps.setdefault(same, set()).add(round(top - above, 2))
    assert len(gaps[True]) == 1
    assert all(gap > max(gaps[True]) for gap in gaps.get(False, ())), 'cells stand apart'
    shown, cells = words(parse(tmp_path / 'a.svg')), {n.split('/')[0] for n in rows(record)}
    assert all(shown.count(word) == 1 for word in {*columns, *cells})


def test_selected_operations_have_a_mark(tmp_path):
    record = search('mobile')
    ids = picture(draw_stages, record, tmp_path / 'a.svg')
    final = record['epochs'][-1]['architecture']
    wanted = {f'{n}[{final[n].index(1)}]' for n in rows(record)}
    for end in ('selected', 'dot'):
        assert {g for g in ids if '/' in g and g.endswith(f'-{end}')} == {
            f'{gid}-{end}' for gid in wanted
        }
    for gid in wanted:
        assert bounds(ids[f'{gid}-selected']) == pytest.approx(bounds(ids[f'box-{gid}']))
    final['stage1/node2/op'] = [0.0] * 7
    ids = picture(draw_stages, record, tmp_path / 'b.svg')
    assert not any(g.startswith('stage1/node2/op') and g.endswith('-selected') for g in ids)


def test_probabilities_are_no_selection(tmp_path):
    record = search()
    del record['epochs'][-1]['selection']
    assert not any('-selected' in g for g in picture(draw_stages, record, tmp_path / 'a.svg'))


@pytest.mark.parametrize('space', CHOICES)
def test_brackets_span_what_is_merged_at_the_end(space, tmp_path):
    record = search(space)
    ids, gone = picture(draw_stages, record, tmp_path / 'a.svg'), lost(record)
    groups = record['epochs'][-1]['super_net']['merged']
    assert [g for g in ids if re.fullmatch(r'merged-\d+', g)] == ['merged-0', 'merged-1']
    assert [len(group) for group in groups] == [2, 4]
    right = max(bounds(e)[2] for gid, e in ids.items() if gid.startswith('box-') and '/' in gid)
    for k, group in enumerate(groups):
        x, top, _, bottom = bounds(ids[f'merged-{k}'])
        spans = [bounds(ids[f'box-{name}[0]']) for name in group]
        assert x > right
        assert spans[0][1] < top < spans[0][3] and spans[-1][1] < bottom < spans[-1][3]
        left = [sum((n, op) not in gone for op in rows(record)[n]) for n in group]
        number = math.prod(left)
        assert words(ids[f'merged-{k}-models']) == [f'{number} partial model{"s"[: number - 1]}']


@pytest.mark.parametrize('merged', [None, []])
def test_nothing_merged(merged, tmp_path):
    record = search()
    for entry in record['epochs']:
        entry['super_net']['merged'] = merged
    ids = picture(draw_stages, record, tmp_path / 'a.svg')
    assert not any(gid.startswith('merged') for gid in ids)


@pytest.mark.parametrize('stages', [0, 3])
def test_curves_have_the_values_of_the_record(stages, tmp_path):
    """Positions on the page are one linear map of epochs, and one of each panel's values."""
    record = search(stages=stages)
    ids, across = picture(draw_growth, record, tmp_path / 'a.svg'), set()
    tops = [bounds(ids[name])[1] for name in CURVES]
    assert tops == sorted(set(tops)), 'one panel under the other'
    for name in CURVES:
        values = [entry['super_net'][name] for entry in record['epochs']]
        wanted = [(1, values[0])]
        for epoch, (before, value) in enumerate(pairwise(values), 2):
            wanted += [(epoch, before), (epoch, value)]  # a jump at the end of the epoch
        points = paths(ids[name])[0]
        (x0, y0), (x1, _) = points[0], points[-1]
        right, up = (x1 - x0) / (len(values) - 1), 0.0
        peak = max(range(len(wanted)), key=lambda k: abs(wanted[k][1] - values[0]))
        if stages:
            up = (points[peak][1] - y0) / (wanted[peak][1] - values[0])
        assert right > 0 and (up < 0) == (stages > 0), 'values run upwards'
        for (x, y), (epoch, value) in zip(points, wanted, strict=True):
            assert x == pytest.approx(x0 + right * (epoch - 1), abs=1e-3)
            assert y == pytest.approx(y0 + up * (value - values[0]), abs=1e-3)
        across.add((round(x0, 3), round(right, 3)))
    assert len(across) == 1, 'panels share their epochs'


def test_lines_stand_at_the_shrinkings(tmp_path):
    record = search()
    ids = picture(draw_growth, record, tmp_path / 'a.svg')
    epochs = {e['epoch']: e['shrinking']['stage'] for e in record['epochs'] if 'shrinking' in e}
    assert epochs == {4: 1, 6: 2, 8: 3}
    for name in CURVES:
        marks = {gid for gid in ids if gid.startswith(f'{name}-shrinking-')}
        assert marks == {f'{name}-shrinking-{epoch}' for epoch in epochs}
        left, _, right, _ = bounds(ids[name])
        for epoch in epochs:
            x = bounds(ids[f'{name}-shrinking-{epoch}'])[0]
            assert x == pytest.approx(left + (right - left) * (epoch - 1) / 11, abs=0.01)
    for stage in epochs.values():
        assert words(ids[f'stage-{stage}']) == [str(stage)]


def test_numbers_of_stages_keep_apart(tmp_path):
    record = search(stages=0, epochs=200)
    for k, entry in enumerate(record['epochs']):
        if k % 2:
            entry['shrinking'] = {'stage': k // 2 + 1, 'dropped': []}
    ids = picture(draw_growth, record, tmp_path / 'a.svg')
    numbers = [int(gid[6:]) for gid in ids if gid.startswith('stage-')]
    assert 20 < len(numbers) < 101 and numbers == sorted(numbers)
    xs = [bounds(ids[f'operations-shrinking-{2 * n}'])[0] for n in numbers]
    assert min(b - a for a, b in pairwise(xs)) > 13, 'points; three digits of size 7'


def test_panels_without_data_are_left_out(tmp_path):
    record = search()
    for entry in record['epochs']:
        del entry['super_net']['memory_mib']
    ids = picture(draw_growth, record, tmp_path / 'a.svg')
    assert [name for name in CURVES if name in ids] == CURVES[:3]


@BOTH
@pytest.mark.parametrize('suffix', ['svg', 'png'])
def test_same_record_same_bytes(draw, suffix, tmp_path):
    one, two, three = (tmp_path / f'{n}.{suffix}' for n in 'abc')
    record = search()
    draw(record, one)
    draw(json.loads(json.dumps(record)), two)
    draw(search(stages=2), three)
    assert one.read_bytes() == two.read_bytes() != three.read_bytes()


@BOTH
def test_choices_of_connections_are_left_out(draw, tmp_path):
    record = search()
    wanted = picture(draw, record, tmp_path / 'a.svg').keys()
    record['choices'] = {n: c for n, c in record['choices'].items() if not c['gates']}
    assert picture(draw, record, tmp_path / 'b.svg').keys() == wanted


def dropped(record):
    return record['epochs'][3]['shrinking']['dropped']


@BOTH
@pytest.mark.parametrize(
    'break_it',
    [
        lambda r: r.pop('choices'),
        lambda r: r.pop('seed'),
        lambda r: r.update(epochs=7),
        lambda r: r.update(epochs=[]),
        lambda r: r.update(epochs=[3, 4]),
        lambda r: r.update(choices={}),
        lambda r: r.update(choices={'stem': {'candidates': ['a'], 'gates': False}}),
        lambda r: [e.pop('super_net') for e in r['epochs']],
        lambda r: [e.update(super_net={}) for e in r['epochs']],
        lambda r: r['epochs'][2].update(super_net=None),
        lambda r: r['epochs'][2]['super_net'].pop('operations'),
        lambda r: r['epochs'][2]['super_net'].update(operations='many'),
        lambda r: r['epochs'][2]['super_net'].update(parameters=float('nan')),
        lambda r: r['epochs'][2]['super_net'].update(parameters=10**400),
        lambda r: r['epochs'][-1]['super_net'].update(merged=[['cell', 'node']]),
        lambda r: r['epochs'][-1]['super_net'].update(merged=3),
        lambda r: r['epochs'][-1]['architecture'].pop('cell/node1/op0'),
        lambda r: r['epochs'][-1]['architecture'].update({'cell/node1/op0': [1.0]}),
        lambda r: r['epochs'][3]['shrinking'].pop('stage'),
        lambda r: r['epochs'][3].update(shrinking=None),
        lambda r: dropped(r)[0].update(choice='cell/node9/op'),
        lambda r: dropped(r)[0].update(choice='cell/node1/inputs'),
        lambda r: dropped(r)[0].update(op='conv_9x9'),
        lambda r: dropped(r).append(dropped(r)[0]),
    ],
)
def test_record_of_something_else(draw, break_it, tmp_path):
    record = search()
    break_it(record)
    with pytest.raises(ValueError, match='record') as error:
        draw(record, tmp_path / 'a.svg')
    assert '\n' not in str(error.value)
    assert not list(tmp_path.iterdir())


@BOTH
def test_a_search_of_one_epoch(draw, tmp_path):
    record = search(stages=0, epochs=1)
    ids = picture(draw, record, tmp_path / 'a.svg')
    assert set(CURVES) <= ids.keys() or ids.keys() >= {f'box-{n}[3]' for n in rows(record)}


@BOTH
def test_other_suffix(draw, tmp_path):
    with pytest.raises(ValueError, match=r'\.svg or \.png'):
        draw(search(), tmp_path / 'a.jpg')
    assert not list(tmp_path.iterdir())


def test_tool_draws_stages(tmp_path):
    (tmp_path / 'search.json').write_text(json.dumps(search()))
    for name, expected in (('stages', draw_stages), ('growth', draw_growth)):
        out = tmp_path / f'{name}.svg'
        assert call('visualize.py', tmp_path / 'search.json', '--picture', name, '--out', out) == 0
        expected(search(), tmp_path / 'expected.svg')
        assert out.read_bytes() == (tmp_path / 'expected.svg').read_bytes()
