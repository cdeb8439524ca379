"""Pictures of a shrinking super-net: the SVG is compared with the record it was drawn from."""

import json
import math
import re

import pytest
from svg import by_id, parse, paths, words
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


@pytest.mark.parametrize('space', CHOICES)
def test_boxes_have_the_stage_of_their_dropping(space, tmp_path):
    record = search(space)
    ids, gone = picture(draw_stages, record, tmp_path / 'a.svg'), lost(record)
    wanted = {f'{n}[{i}]' for n, ops in rows(record).items() for i in range(len(ops))}
    assert {gid[4:] for gid in ids if gid.startswith('box-') and '/' in gid} == wanted
    for name, ops in rows(record).items():
        for i, op in enumerate(ops):
            stage, gid = gone.get((name, op)), f'{name}[{i}]'
            shown = words(ids[gid]) if gid in ids else []
            assert ''.join(shown) == ('' if stage is None else str(stage))
            key = f'op-{op}' if stage is None else f'key-{stage}'
            assert fill(ids[f'box-{gid}']) == fill(ids[key])
    groups = record['epochs'][-1]['super_net']['merged']
    assert [g for g in ids if re.fullmatch(r'merged-\d+', g)] == ['merged-0', 'merged-1']
    for k, group in enumerate(groups):
        number = math.prod(sum((n, op) not in gone for op in rows(record)[n]) for n in group)
        assert words(ids[f'merged-{k}-models']) == [f'{number} partial model{"s"[: number - 1]}']


def test_selected_operations_have_a_mark(tmp_path):
    record = search('mobile')
    ids = picture(draw_stages, record, tmp_path / 'a.svg')
    final = record['epochs'][-1]['architecture']
    wanted = {f'{n}[{final[n].index(1)}]' for n in rows(record)}
    for end in ('selected', 'dot'):
        assert {g for g in ids if '/' in g and g.endswith(f'-{end}')} == {
            f'{gid}-{end}' for gid in wanted
        }
    final['stage1/node2/op'] = [0.0] * 7
    ids = picture(draw_stages, record, tmp_path / 'b.svg')
    assert not any(g.startswith('stage1/node2/op') and g.endswith('-selected') for g in ids)


def test_probabilities_are_no_selection(tmp_path):
    record = search()
    del record['epochs'][-1]['selection']
    assert not any('-selected' in g for g in picture(draw_stages, record, tmp_path / 'a.svg'))


@pytest.mark.parametrize('merged', [None, []])
def test_nothing_merged(merged, tmp_path):
    record = search()
    for entry in record['epochs']:
        entry['super_net']['merged'] = merged
    ids = picture(draw_stages, record, tmp_path / 'a.svg')
    assert not any(gid.startswith('merged') for gid in ids)


def test_growth_has_a_curve_a_number_and_a_line_a_shrinking(tmp_path):
    record = search()
    ids = picture(draw_growth, record, tmp_path / 'a.svg')
    epochs = {e['epoch']: e['shrinking']['stage'] for e in record['epochs'] if 'shrinking' in e}
    assert epochs == {4: 1, 6: 2, 8: 3}
    for name in CURVES:
        assert len(paths(ids[name])[0]) == 2 * len(record['epochs']) - 1  # jumps
        marks = {gid for gid in ids if gid.startswith(f'{name}-shrinking-')}
        assert marks == {f'{name}-shrinking-{epoch}' for epoch in epochs}
    for stage in epochs.values():
        assert words(ids[f'stage-{stage}']) == [str(stage)]


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
