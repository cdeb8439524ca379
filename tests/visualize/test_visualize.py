"""Pictures: the SVG is parsed and compared with the genotype or the record it was drawn from."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from svg import arrows, by_id, check_no_overlap, check_picture, dots, parse, words

from ppnas_mm import genotype as genotype_module
from ppnas_mm.genotype import Cell, Edge, Genotype, SpaceRule, published
from ppnas_mm.visualize.genotype import draw_genotype, draw_search

ROOT = Path(__file__).parents[2]


def ops_of(genotype):
    return {e.op for cell in genotype.cells for edges in cell.nodes for e in edges}


def has_unread(genotype):
    read = {(c, source) for c, source, _, _ in arrows(genotype)}
    return any((c, i) not in read for c, x in enumerate(genotype.cells) for i in range(x.inputs))


@pytest.fixture
def general(monkeypatch):
    """A genotype of a space with several edges a node."""
    ops = {'skip', 'pool_3x3', 'sep_conv_3x3'}
    monkeypatch.setitem(genotype_module.SPACE_RULES, 'general', SpaceRule(ops))
    nodes = (
        (Edge('skip', (0,)), Edge('pool_3x3', (1,))),
        (Edge('sep_conv_3x3', (2, 0)), Edge('skip', (1,)), Edge('skip', (2,))),
        (Edge('pool_3x3', (3, 2, 0)),),
        (Edge('skip', (0,)), Edge('sep_conv_3x3', (0, 4))),
    )
    many = tuple(
        (Edge('skip', (n, max(0, n - 3))) if n > 3 else Edge('skip', (n,)),) for n in range(18)
    )
    cells = (Cell('normal', 2, nodes), Cell('a $name$ <&>', 3, nodes[:2]), Cell('many', 1, many))
    return Genotype('general', cells)


@pytest.mark.parametrize('name', {Genotype.load(name).space: name for name in published()}.values())
def test_picture_shows_the_published_genotype(name, tmp_path):
    genotype = Genotype.load(name)
    draw_genotype(genotype, tmp_path / 'a.svg', title=f'<{name}>')
    root = check_picture(genotype, tmp_path / 'a.svg')
    check_no_overlap(root)
    legend = words(root)[-len(ops_of(genotype)) - has_unread(genotype) :]
    assert legend == sorted(ops_of(genotype)) + ['input that nothing reads'] * has_unread(genotype)
    assert f'<{name}>' in words(root)
    assert os.listdir(tmp_path) == ['a.svg']


def test_several_edges_a_node(general, tmp_path):
    draw_genotype(general, tmp_path / 'a.svg')
    check_no_overlap(check_picture(general, tmp_path / 'a.svg'))


@pytest.mark.parametrize('suffix', ['svg', 'png', 'SVG'])
def test_same_bytes_whatever_the_settings(suffix, tmp_path):
    genotype = Genotype.load('pp_resnet_cifar10')
    other = Genotype(genotype.space, genotype.cells[::-1])
    first, second, third = (tmp_path / f'{n}.{suffix}' for n in 'abc')
    draw_genotype(genotype, first)
    with matplotlib.rc_context({'font.size': 20, 'savefig.bbox': 'tight', 'lines.linewidth': 7}):
        before = dict(matplotlib.rcParams)
        draw_genotype(genotype, second)
        assert dict(matplotlib.rcParams) == before
    draw_genotype(other, third)
    assert first.read_bytes() == second.read_bytes() != third.read_bytes()


def test_png(general, tmp_path):
    draw_genotype(general, tmp_path / 'a.png', title='title')
    content = (tmp_path / 'a.png').read_bytes()
    assert content.startswith(b'\x89PNG\r\n\x1a\n')
    assert content.endswith(b'IEND\xaeB`\x82')


@pytest.mark.parametrize('name', ['a.jpg', 'a', 'a.svg.gz', 'svg'])
def test_other_suffix(name, tmp_path):
    with pytest.raises(ValueError, match=r'\.svg or \.png') as error:
        draw_genotype(Genotype.load('pp_resnet_cifar10'), tmp_path / name)
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match=r'\.svg or \.png'):
        draw_search(search(3), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_module_is_cheap_and_uses_no_pyplot(tmp_path):
    code = """
import sys
from ppnas_mm.genotype import Genotype
from ppnas_mm.visualize.genotype import draw_genotype
assert 'matplotlib' not in sys.modules
draw_genotype(Genotype.load('pp_resnet_cifar10'), sys.argv[1])
assert 'matplotlib.pyplot' not in sys.modules
"""
    command = [sys.executable, '-c', code, str(tmp_path / 'a.png')]
    subprocess.run(command, check=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})


def search(epochs):
    """The record of a small search; the third gate stays between the marks."""
    record = {'algorithm': 'PPNAS', 'space': 'ppconv', 'seed': 3, 'epochs': []}
    record['choices'] = {
        'stage1/node4/inputs': {'candidates': ['0', '1', '2'], 'gates': True},
        'stage1/node4/op': {'candidates': ['identity', 'conv_3x3'], 'gates': False},
        'stage1/node5/op': {'candidates': ['identity', 'conv_3x3'], 'gates': False},
    }
    for epoch in range(1, epochs + 1):
        t = epoch / epochs
        weights = {
            'stage1/node4/inputs': [0.5 + 0.45 * t, 0.5 - 0.45 * t, 0.6],
            'stage1/node4/op': [0.5 + 0.3 * t, 0.5 - 0.3 * t],
            'stage1/node5/op': [0.5 - 0.4 * t, 0.5 + 0.4 * t],
        }
        losses = {'loss': 2 - t, 'loss_zero_one': -0.1 * t}
        record['epochs'].append({'epoch': epoch, 'losses': losses, 'architecture': weights})
    return record


def curves(record):
    """Every line of a record: name in the picture -> values."""
    lines = {}
    for epoch in record['epochs']:
        values = {**epoch['losses'], **epoch.get('metrics', {})}
        for name, row in epoch['architecture'].items():
            values.update({f'{name}[{i}]': v for i, v in enumerate(row)})
        for name, value in values.items():
            lines.setdefault(name, []).append((epoch['epoch'], value))
    return lines


@pytest.mark.parametrize('epochs', [1, 25])
def test_search_has_a_point_an_epoch_on_every_line(epochs, tmp_path):
    record = search(epochs)
    record['epochs'][-1]['metrics'] = {'accuracy/top1': 97.0}
    draw_search(record, tmp_path / 'a.svg')
    root = parse(tmp_path / 'a.svg')
    ids = by_id(root)
    for name, values in curves(record).items():
        heights = [-y for _, y in dots(ids[name])]
        assert len(heights) == len(values), name
        order = sorted(range(len(values)), key=lambda k: values[k][1])
        assert [heights[k] for k in order] == sorted(heights), 'higher values are higher'
    shown = words(root)
    assert 'PPNAS on ppconv, seed 3' in shown
    assert {'loss', 'loss_zero_one', 'accuracy/top1', 'identity', 'conv_3x3'} <= set(shown)
    labels = {w for w in shown if w.startswith('ends')}
    assert labels == {'ends < 0.1', 'ends > 0.9', 'ends between'}


def test_search_panels_without_data_are_left_out(tmp_path):
    panels = {'losses', 'connection gates', 'op weights', 'metrics (dashed)'}

    def shown(record):
        draw_search(record, tmp_path / 'a.svg')
        return panels & set(words(parse(tmp_path / 'a.svg')))

    record = search(3)
    assert shown(record) == {'losses', 'connection gates', 'op weights'}
    del record['choices']['stage1/node4/inputs']
    assert shown(record) == {'losses', 'op weights'}
    for epoch in record['epochs']:
        epoch.update(architecture={}, metrics={'accuracy/top1': 9.0})
    assert shown(record) == {'losses', 'metrics (dashed)'}


def test_search_with_values_that_are_not_finite(tmp_path):
    record = search(5)
    record['epochs'][1]['losses']['loss'] = math.nan
    record['epochs'][2]['losses']['loss'] = math.inf
    record['epochs'][4]['losses']['loss'] = None
    record['epochs'][4]['architecture']['stage1/node4/inputs'] = [math.nan] * 3
    for i in (0, 3):
        record['epochs'][i]['metrics'] = {'accuracy/top1': 90.0 + i}
    draw_search(record, tmp_path / 'a.svg')
    ids = by_id(parse(tmp_path / 'a.svg'))
    assert len(dots(ids['loss'])) == 2
    assert len(dots(ids['stage1/node4/inputs[0]'])) == 4
    assert len(dots(ids['loss_zero_one'])) == 5
    validated = next(e for e in ids['accuracy/top1'].iter() if e.tag.endswith('}path'))
    assert validated.get('d').count('L') == 1, 'epochs without validation leave a gap'
    draw_search(record, tmp_path / 'a.png')


@pytest.mark.parametrize(
    'break_it',
    [
        lambda r: r.pop('choices'),
        lambda r: r.pop('epochs'),
        lambda r: r.update(epochs=[]),
        lambda r: r.update(epochs=7),
        lambda r: r.update(choices=[1]),
        lambda r: r['epochs'][0].pop('epoch'),
        lambda r: r['epochs'][0]['architecture'].update({'stage1/node4/op': [0.5]}),
    ],
)
def test_search_record_that_is_none(break_it, tmp_path):
    record = search(2)
    break_it(record)
    with pytest.raises(ValueError, match='record') as error:
        draw_search(record, tmp_path / 'a.svg')
    assert '\n' not in str(error.value)
    assert not list(tmp_path.iterdir())


def tool(*args):
    return subprocess.run(
        [sys.executable, ROOT / 'tools' / 'visualize.py', *map(str, args)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_tool_draws_genotypes_and_searches(tmp_path):
    genotype = Genotype.load('pp_resnet_random_full1')
    genotype.save(tmp_path / 'mine.json')
    (tmp_path / 'search.json').write_text(json.dumps(search(2)))
    assert tool('pp_resnet_random_full1', '--out', tmp_path / 'a.svg').returncode == 0
    assert tool(tmp_path / 'mine.json', '--out', tmp_path / 'b.svg').returncode == 0
    assert tool(tmp_path / 'search.json', '--out', tmp_path / 'c.svg').returncode == 0
    check_picture(genotype, tmp_path / 'a.svg')
    check_picture(genotype, tmp_path / 'b.svg')
    assert 'stage1/node4/op[1]' in by_id(parse(tmp_path / 'c.svg'))


def test_tool_says_in_one_line_what_is_wrong(tmp_path):
    (tmp_path / 'broken.json').write_text('{"epochs": 3}')
    for source, out in (
        ('no_such_name', 'a.svg'),
        ('pp_resnet_cifar10', 'a.jpg'),
        (tmp_path / 'broken.json', 'a.svg'),
    ):
        result = tool(source, '--out', tmp_path / out)
        assert result.returncode == 2
        assert re.fullmatch(r'error: [^\n]+\n', result.stderr), result.stderr
    assert os.listdir(tmp_path) == ['broken.json']
    assert 'example' in tool('--help').stdout
