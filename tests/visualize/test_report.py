"""The report of a search: its data against plain loops, its text escaped, nothing from outside."""

import base64
import hashlib
import json
import re
import runpy
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from reports import SPACES, Page, search, write
from searches import build, every_algorithm
from tool import ROOT, call
from zoo import SPACES as NETS

from ppnas_mm.engine.search_record import SearchRecord
from ppnas_mm.utils.files import DamagedFileError
from ppnas_mm.visualize.report import write_report
from ppnas_mm.visualize.report_steps import export_options, next_steps
from ppnas_mm.visualize.style import ARROW, DARK, OPERATIONS, PALETTE, op_colour

EACH = pytest.mark.parametrize('space', SPACES)


def page_of(folder: Path, record: dict, failed: str = '') -> Page:
    return Page(write_report(write(folder, record), record, failed).read_text())


def decided(rows: list[list[float]], gates: bool, level: float) -> int:
    """The epoch since which nothing changed, from 1: go back while it is the same."""
    array = np.array(rows)
    state = array > level if gates else array.argmax(1)[:, None]
    epoch = len(rows)
    while epoch > 1 and (state[epoch - 2] == state[-1]).all():
        epoch -= 1
    return epoch


@EACH
def test_the_data_is_the_record(space: str, tmp_path: Path) -> None:
    record = search(space, 9)
    data = page_of(tmp_path, record).data
    assert data['epochs'] == list(range(1, 10))
    assert len(data['choices']) == len(record['choices'])
    for (name, choice), drawn in zip(record['choices'].items(), data['choices'], strict=True):
        rows = [entry['architecture'][name] for entry in record['epochs']]
        assert drawn['options'] == choice['candidates'] and drawn['gates'] == choice['gates']
        assert name.startswith(f'{drawn["cell"]}/node{drawn["node"]}/')
        np.testing.assert_allclose(np.array(drawn['rows']) / 1000, rows, atol=0.00051)
        assert drawn['since'] == decided(rows, choice['gates'], 0.9)
        if not choice['gates']:
            assert drawn['best'] == np.array(rows).argmax(1).tolist()
            assert all(data['ops'][op] == op_colour(op) for op in choice['candidates'])
    losses = {curve['name']: curve['values'] for curve in data['curves']['losses']}
    np.testing.assert_allclose(losses['loss_task'], [2 / n for n in range(1, 10)], rtol=1e-5)


@pytest.mark.parametrize('level', [0.3, 0.9])
def test_decisions_follow_the_threshold_of_the_search(level: float, tmp_path: Path) -> None:
    record = search('ppconv', 5)
    record['settings']['model.threshold'] = level
    page = page_of(tmp_path, record)
    rows = [entry['architecture']['stage1/node3/inputs'] for entry in record['epochs']]
    on = [f'x⁽{"¹²³⁴"[i]}⁾' for i, share in enumerate(rows[-1]) if share > level]
    row = page.row('stage1: inputs of x⁽⁴⁾')
    assert row[2] == (', '.join(on) or 'none is on')
    assert row[4] == str(decided(rows, True, level))


def test_what_was_found_may_differ_from_the_strongest(tmp_path: Path) -> None:
    record = search('mobile', 3)
    for entry in record['epochs']:
        entry['architecture'] = {n: [0.6, 0.3, 0.1] for n in record['choices']}
    text = write_report(write(tmp_path, record)).read_text()
    row = Page(text).row('stage1: x⁽²⁾')
    assert row[:5] == ['stage1: x⁽²⁾', 'mbconv_5x5_e6', 'mbconv_3x3_e3', '0.60', '1']
    assert '<b>mbconv_5x5_e6</b>' in text and 'Bold:' in text


def test_edges_that_are_not_kept_say_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, search('darts', 2))
    assert page.row('normal: x⁽¹⁾ → x⁽⁵⁾')[1] == 'skip_connect'
    assert page.row('normal: x⁽³⁾ → x⁽⁵⁾')[1] == 'not kept'


def test_equal_shares_are_undecided_and_zeros_pruned(tmp_path: Path) -> None:
    record = search('mobile', 2)
    for entry in record['epochs']:
        entry['architecture']['stage1/node1/op'] = [0.4, 0.4, 0.2]
        entry['architecture']['stage1/node2/op'] = [0.0, 0.0, 0.0]
    page = page_of(tmp_path, record)
    assert page.row('stage1: x⁽²⁾')[2:5] == ['undecided', '', '']
    assert page.row('stage1: x⁽³⁾')[2] == 'pruned'
    assert page.data['choices'][0]['best'] == [-1, -1]


def test_equal_rows_are_written_once(tmp_path: Path) -> None:
    record = search('mobile', 4)
    for entry in record['epochs'][2:]:
        entry['architecture'] = record['epochs'][1]['architecture']
    rows = page_of(tmp_path, record).data['choices'][0]['rows']
    assert rows[:2] == [[round(1000 * v) for v in e['architecture']['stage1/node1/op']]
                        for e in record['epochs'][:2]]  # fmt: skip
    assert rows[2:] == [None, None]


@pytest.mark.parametrize(
    ('result', 'failed', 'words'),
    [
        ({}, '', 'running or stopped: epoch 2 of 8 is done'),
        ({}, 'NonFiniteLossError: loss is nan', 'failed after epoch 2 of 8: NonFiniteLossError'),
        ({'failed': 'stage1 input 0 is dropped'}, '', 'failed after epoch 2 of 8: stage1 input 0'),
        ({'genotype': 'x'}, '', 'finished after epoch 2 of 8'),
    ],
)
def test_the_state_is_told(result: dict, failed: str, words: str, tmp_path: Path) -> None:
    record = search('mobile', 2, result=result)
    record['settings']['train_cfg.max_epochs'] = 8
    page = page_of(tmp_path, record, failed)
    assert words in ' '.join(page.text.split())
    assert bool(page.data['found']) == words.startswith('finished')
    assert ('--resume' in page.text) == words.startswith('running')


HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(1)>"\'&\u2028'


def test_text_of_a_config_cannot_run(tmp_path: Path) -> None:
    record = search('mobile', 2, config=HOSTILE, algorithm=HOSTILE)
    record['settings'][HOSTILE] = HOSTILE
    record['versions'][HOSTILE] = HOSTILE
    record['result']['remarks'] = [HOSTILE]
    record['result']['derived']['metrics'] = {HOSTILE: 1.0}
    for entry in record['epochs']:
        entry['losses'] = {HOSTILE: 1.0}
        entry['architecture'][f'{HOSTILE}/node1/op'] = [0.4, 0.6]
    record['choices'][f'{HOSTILE}/node1/op'] = dict(candidates=[HOSTILE, 'identity'], gates=False)
    plain = Page(write_report(write(tmp_path / 'a', search('mobile', 2))).read_text())
    page = page_of(tmp_path / 'b', record)
    assert page.names.count('script') == plain.names.count('script') == 2
    assert 'img' not in page.names
    assert page.text.count('onerror=alert(1)') >= 6  # as text
    assert page.data['curves']['losses'][0]['name'] == HOSTILE
    stopped = page_of(tmp_path / 'c', search('mobile', 2, result={}), failed=HOSTILE)
    assert stopped.names.count('script') == 2 and 'onerror=alert(1)' in stopped.text


def test_the_page_refers_to_nothing_outside(tmp_path: Path) -> None:
    text = write_report(write(tmp_path, search('darts'))).read_text()
    page = Page(text)
    assert page.links and not [link for link in page.links if re.match(r'\w+:|/', link)]
    assert set(re.findall(r'https?://[^\s\'"]+', text)) == {'http://www.w3.org/2000/svg'}
    assert 'url(' not in text and '@import' not in text and str(tmp_path) not in text
    # only the page's own script may run
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    for link in page.links:
        assert link.startswith('#') or (tmp_path / link).is_file(), link


def test_long_searches_stay_small_and_quick(tmp_path: Path) -> None:
    record = search('darts', 200)
    write(tmp_path, record)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        path = write_report(tmp_path, record)
        times.append(time.perf_counter() - start)
    assert path.stat().st_size < 1_000_000
    assert min(times) < 1.0  # 0.05 s on an idle core


def test_same_files_same_bytes(tmp_path: Path) -> None:
    one, two = (write_report(write(tmp_path / n, search('ppconv'))).read_bytes() for n in 'ab')
    assert one == two


def test_no_epochs_is_no_error(tmp_path: Path) -> None:
    record = search('mobile', 0)
    page = page_of(tmp_path, record)
    assert 'no epoch' in page.text and page.row('stage1: x⁽²⁾')[1] == 'mbconv_5x5_e6'
    del record['result'], record['settings'], record['versions']  # at the start, and an old record
    assert 'running or stopped: epoch 0 is done' in page_of(tmp_path, record).text


@pytest.mark.parametrize(
    'wrong',
    [
        {},
        {'epochs': 1},
        {'choices': {}, 'epochs': []},
        {'choices': {'a': {}}, 'epochs': [{'architecture': {'a': [1]}}]},
    ],
)
def test_other_records_are_refused(wrong: dict, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='not the record of a search'):
        write_report(tmp_path, wrong)


def test_seeds_have_a_table(tmp_path: Path) -> None:
    folder = write(tmp_path, search('mobile'))
    write_report(write(tmp_path / 'seed-1', search('mobile')))
    rows = [dict(seed=1, values=dict(val=91.5)), dict(seed=0, values=dict(val=90.25))]
    criterion = dict(select='val', metric='accuracy_val', meaning='held-out images')
    about = dict(criterion=criterion, best=1, metrics=dict(val='accuracy_val'), seeds=rows)
    about['failed'] = {'2': 'empty <node>'}
    (folder / 'seeds.json').write_text(json.dumps(about))
    for name in ('derived.safetensors', 'config.py'):
        (folder / name).touch()
    page = Page(write_report(folder).read_text())
    assert page.row('seed 1 (best)') == ['seed 1 (best)', '91.50']
    assert page.row('seed 0')[1] == '90.25' and page.row('seed 2')[1] == 'failed'
    assert 'seed 2: empty <node>' in page.text and 'seed-1/report.html' in page.links
    assert 'ppnas derive WORK_DIR/seed-3 --out' in page.text  # the best has seed 3 in its record
    assert 'WORK_DIR/seed-3/my_digits.py' in page.text
    (folder / 'seeds.json').write_text('{"seeds": 1}')
    with pytest.raises(DamagedFileError, match='not the table of several seeds'):
        write_report(folder)


@every_algorithm
@pytest.mark.parametrize('space', NETS)
def test_every_algorithm_has_a_report(name: str, space: str, tmp_path: Path) -> None:
    algorithm = build(name, space)
    runner = SimpleNamespace(work_dir=tmp_path, model=algorithm, cfg=Config(), seed=0)
    record = SearchRecord(runner)
    record.report()
    assert Page((tmp_path / 'report.html').read_text()).data['epochs'] == []
    record.add_epoch(1, algorithm, {'loss': 1.0})
    genotype = algorithm.derive(strict=False)
    genotype.save(tmp_path / 'genotype.json')
    record.data['result'] = {'genotype': genotype.hash}
    record.report()
    page = Page((tmp_path / 'report.html').read_text())
    assert {c['label'] for c in page.data['choices']} <= {row[0] for row in page.rows}
    assert len(page.data['choices']) == len(record.data['epochs'][0]['architecture'])
    assert page.data['found'] == json.loads((tmp_path / 'genotype.json').read_text())['cells']
    assert f'{name} on {space}' in page.text


def test_the_tool_writes_it_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path, search('ppconv'))
    assert call('visualize.py', tmp_path) == 0
    first = (tmp_path / 'report.html').read_bytes()
    assert first == write_report(tmp_path).read_bytes()
    assert call('visualize.py', tmp_path, '--out', 'a.svg') == 2
    assert call('visualize.py', tmp_path / 'search.json') == 2
    assert 'leave --out away' in (text := capsys.readouterr().err) and '--out FILE' in text
    (tmp_path / 'search.json').unlink()
    assert call('visualize.py', tmp_path) == 2
    assert 'search.json: no such file' in capsys.readouterr().err


def test_the_commands_are_those_of_the_command_line() -> None:
    record = dict(space='ppconv', config='mine.py', seed=3)
    files = ['config.py', 'derived.safetensors']
    for state in ('running', 'failed', 'finished'):
        for command in next_steps(record, state, files).values():
            name, *words = command.removeprefix('ppnas ').split()
            parser = runpy.run_path(str(ROOT / 'tools/docs.py'))['parser_of']
            parser(ROOT / f'tools/{name}.py').parse_args(words)  # exits if it does not understand
    assert list(next_steps(record, 'finished', [])) == ['Draw it']  # nothing was trained


@pytest.mark.parametrize(
    ('model', 'scope', 'whole'),
    [
        ('ImageClassifier', 'mmpretrain', True),
        ('mmpretrain.ImageClassifier', 'mmdet', True),
        ('RetinaNet', 'mmdet', False),
        ('mmseg.EncoderDecoder', 'mmpretrain', False),
    ],
)
def test_only_classifiers_are_exported_whole(model: str, scope: str, whole: bool) -> None:
    costs = {'input_shape': [3, 16, 32]}
    settings = {'model.model.type': model, 'default_scope': scope}
    options = export_options({'settings': settings, 'result': {'costs': costs}})
    assert options == '--format onnx --size 16 32' + ('' if whole else ' --backbone')


def luminance(colour: str) -> float:
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, other: str, part: float) -> str:
    """``color-mix(in srgb, colour part, other)``."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return '#' + ''.join(f'{round(part * a + (1 - part) * b):02x}' for a, b in pairs)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_colours_have_contrast(scheme: str) -> None:
    css = (ROOT / 'ppnas_mm/visualize/report.css').read_text()
    css = css.replace('$dark', DARK).replace('$arrow', ARROW)
    block = re.findall(r':root \{(.*?)\}', css, re.S)[scheme == 'dark']
    named = dict(re.findall(r'--(\w+): (#\w+);', block))
    named['bg'] = '#ffffff' if named['bg'] == '#fff' else named['bg']
    for name in ('ink', 'soft', 'accent', 'good', 'bad'):
        assert contrast(named[name], named['bg']) >= 4.5, name
    part = float(re.search(r'\.curve \{.*?var\(--c\) (\d+)%', css)[1]) / 100  # type: ignore[index]
    for colour in PALETTE:
        assert contrast(mixed(colour, named['ink'], part), named['bg']) >= 3, colour
    fill = float(re.search(r'\.fill \{.*?var\(--c\) (\d+)%', css)[1]) / 100  # type: ignore[index]
    for colour in OPERATIONS.values():
        assert contrast(named['ink'], mixed(colour, named['bg'], fill)) >= 4.5, colour
