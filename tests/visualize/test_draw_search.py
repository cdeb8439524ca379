"""The course of a search: a panel a cell and a choice, one legend, nothing off the page."""

import re
from collections import Counter

import pytest
from pictured import check_texts, text_boxes
from svg import bounds, by_id, dots, label, parse, words

from ppnas_mm.genotype import SPACE_RULES
from ppnas_mm.visualize.genotype import draw_search
from ppnas_mm.visualize.importance import draw_importance, draw_importance_table
from ppnas_mm.visualize.stages import draw_growth, draw_stages

CHOICES = {
    'darts': {
        f'{c}/node{n}/op{i}': [*sorted(SPACE_RULES['darts'].ops), 'none']
        for c in ('normal', 'reduction')
        for n in (2, 3, 4, 5)
        for i in range(n)
    },
    'nasbench201': {
        f'cell/node{n}/op{i}': sorted(SPACE_RULES['nasbench201'].ops)
        for n in (1, 2, 3)
        for i in range(n)
    },
    'chain': {
        f'stage{s}/node{n}/op': sorted(SPACE_RULES['chain'].ops)
        for s in range(1, 6)
        for n in range(1, 6)
    },
    'mobile': {
        f'stage{s}/node{n}/op': ['identity', 'mbconv_3x3_e3', 'mbconv_5x5_e6']
        for s, depth in enumerate((2, 2, 3, 1, 14), 1)
        for n in range(1, 1 + depth)
    },
    'ppconv': {
        f'stage{s}/node{n}/op': ['identity', 'conv_1x1', 'an_operation_with_a_long_name_5x5']
        for s in (1, 2, 3, 4, 5, 6)
        for n in (4, 5, 6, 7)
    },
}
SPACES = pytest.mark.parametrize('space', CHOICES)


def search(space, epochs=3):
    """A search in which operation k of choice n ends as the heaviest where k = n (modulo)."""
    record = dict(algorithm='CDARTS', space=space, seed=3, choices={}, epochs=[])
    for name, ops in CHOICES[space].items():
        if space == 'ppconv':
            gates = name[: name.rindex('/')] + '/inputs'
            record['choices'][gates] = dict(candidates=['0', '1', '2'], gates=True)
        record['choices'][name] = dict(candidates=ops, gates=False)
    for epoch in range(1, epochs + 1):
        weights = {}
        for n, (name, choice) in enumerate(record['choices'].items()):
            count = len(choice['candidates'])
            weights[name] = [0.5 / count] * count
            weights[name][n % count] += 0.5 * epoch / epochs
            if choice['gates']:
                weights[name] = [0.5 + 0.45 * epoch / epochs, 0.5 - 0.45 * epoch / epochs, 0.5]
        entry = dict(epoch=epoch, losses={'loss': 2 / epoch}, architecture=weights)
        entry['metrics'] = {'accuracy_val': 90.0 + epoch}
        entry['importance'] = {n: w for n, w in weights.items() if n in CHOICES[space]}
        entry['super_net'] = dict(operations=9, log10_size=1.5, parameters=10**6, memory_mib=3.0)
        record['epochs'].append(entry)
    return record


def draw(record, tmp_path):
    draw_search(record, tmp_path / 'a.svg')
    return parse(tmp_path / 'a.svg')


@SPACES
def test_a_panel_a_choice_with_its_lines(space, tmp_path):
    record = search(space)
    ids = by_id(draw(record, tmp_path))
    assert {gid for gid in ids if re.search(r'/op\d*$', gid)} == set(CHOICES[space])
    gates = {gid for gid in ids if gid.startswith('gates-')}
    assert gates == ({f'gates-stage{s}' for s in range(1, 7)} if space == 'ppconv' else set())
    for name, choice in record['choices'].items():
        cell, node, kind = name.split('/')
        panel = by_id(ids[f'gates-{cell}' if choice['gates'] else name])
        lines = {f'{name}[{i}]' for i in range(len(choice['candidates']))}
        assert lines <= set(panel)
        assert all(len(dots(panel[line])) == 3 for line in lines)
        if not choice['gates']:
            assert {gid for gid in panel if gid.endswith(']')} == lines
            number = list(record['choices']).index(name)
            best = choice['candidates'][number % len(choice['candidates'])]
            assert words(panel[f'{name}-strongest']) == [best]
            shown = label(int(node[4:]))
            if kind != 'op':
                shown = f'{label(int(kind[2:]))} → {shown}'
            assert shown in words(panel[name])


@SPACES
def test_one_legend_for_all_panels(space, tmp_path):
    record = search(space)
    root = draw(record, tmp_path)
    ends = [words(e)[0] for gid, e in by_id(root).items() if gid.endswith('-strongest')]
    shown = Counter(words(root)) - Counter(ends)
    assert all(shown[op] == 1 for ops in CHOICES[space].values() for op in ops)
    if space == 'ppconv':
        assert shown['ends > 0.9'] == shown['ends < 0.1'] == shown['ends between'] == 1
    cells = {name.split('/')[0] for name in CHOICES[space]}
    assert all(shown[cell] == 1 + (space == 'ppconv') for cell in cells)


def test_no_operation_stands_out_before_one_does(tmp_path):
    record = search('nasbench201', 2)
    for entry in record['epochs']:
        entry['architecture'] = {name: [0.2] * 5 for name in CHOICES['nasbench201']}
    assert not any('-strongest' in gid for gid in by_id(draw(record, tmp_path)))


@pytest.mark.parametrize(
    ('draw_it', 'space'),
    [
        (draw_search, 'darts'),
        (draw_search, 'ppconv'),
        (draw_importance, 'darts'),
        (draw_importance_table, 'mobile'),
        (draw_stages, 'mobile'),
        (draw_growth, 'chain'),
    ],
)
def test_texts_stay_on_the_page_and_apart(draw_it, space, tmp_path):
    draw_it(search(space), tmp_path / 'a.svg')
    check_texts(parse(tmp_path / 'a.svg'))


@pytest.mark.parametrize('scale', [1e-7, 1e5, -3e4])
def test_losses_of_many_digits_stay_on_the_page(scale, tmp_path):
    record = search('nasbench201')
    for entry in record['epochs']:
        entry['losses'] = {f'decode_head.{name}_loss': scale * entry['epoch'] for name in 'abc'}
    check_texts(draw(record, tmp_path))


def test_weights_that_hardly_differ_fill_the_panels(tmp_path):
    record = search('nasbench201')
    for entry in record['epochs']:
        for row in entry['architecture'].values():
            row[:] = [0.2 + 0.001 * i * entry['epoch'] for i in range(5)]
    ids = by_id(draw(record, tmp_path))
    for name in CHOICES['nasbench201']:
        _, top, _, bottom = bounds(ids[name])
        ys = [y for i in range(5) for _, y in dots(ids[f'{name}[{i}]'])]
        assert top < min(ys) < max(ys) < bottom and max(ys) - min(ys) > (bottom - top) / 2


def test_the_check_of_texts_sees_what_is_wrong(tmp_path):
    root = draw(search('nasbench201'), tmp_path)
    check_texts(root)
    _, left, *_ = text_boxes(root)[0]
    first = next(e for e in root.iter() if e.tag.endswith('}text'))
    first.set('x', str(float(first.get('x') or 0) + 2000))
    with pytest.raises(AssertionError):
        check_texts(root)
    assert text_boxes(root)[0][1] != left
