"""Studies that run, stop, go on and are shared: with a made-up tool, and with real searches."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_searches import write_search
from studies import (
    ROWS,
    accuracies,
    calls,
    found_by_seed,
    made_plan,
    some_cells,
    write_plan,
    write_tool,
)
from tool import ROOT, call, start

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.study import load_plan, run_study
from ppnas_mm.study.page import write_page
from ppnas_mm.study.results import costs, results
from ppnas_mm.study.run import failures
from ppnas_mm.study.searches import config_of
from ppnas_mm.utils.files import read_json
from ppnas_mm.utils.jobs import DEGENERATE

HOLD = f"""import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path; from ppnas_mm.engine.work_dir import alone
with alone(Path(sys.argv[1])):
    print('held', flush=True); sys.stdin.read()
"""
"""Another process at work in a folder."""


def test_every_row_is_searched_with_every_seed(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0, 1], options={'val_dataloader.batch_size': 7})
    found = found_by_seed()
    tool = write_tool(tmp_path, found)
    assert run_study(plan, tmp_path / 'work', tool) == ([], [])
    made = calls(tmp_path)
    assert [Path(words[0]).stem + '-' + words[2] for words in made] == [
        'naswot-0', 'params-0', 'naswot-1', 'params-1',
    ]  # fmt: skip
    for words, row in zip(made, ('one', 'two') * 2, strict=True):
        place = tmp_path / 'work' / row / f'seed-{words[2]}' / 'search'
        assert words[1:] == [
            '--seed', words[2], '--resume', '--cfg-options', 'val_dataloader.batch_size=7',
            '--work-dir', str(place),
        ]  # fmt: skip
    rows = results(plan, tmp_path / 'work')['rows']
    for row, kind in ROWS.items():
        for seed in '01':
            cell = found[f'{kind}-{seed}']
            assert rows[row]['seeds'][seed]['architecture'] == cell
            assert rows[row]['seeds'][seed]['accuracy'] == {'cifar10-test': accuracies()[cell][0]}
    assert all(0 < s < 60 for row in costs(plan, tmp_path / 'work').values() for s in row.values())
    # nothing is repeated
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'work').rglob('*.json')}
    assert run_study(plan, tmp_path / 'work', tool) == ([], [])
    assert len(calls(tmp_path)) == 4
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / 'work').rglob('*.json')}


def test_a_row_starts_from_the_search_of_another(tmp_path: Path) -> None:
    """It waits for it, names its newest checkpoint, and costs both."""
    kinds = {'one': 'params-trained', 'two': 'params'}
    rows: dict[str, Any] = {row: {'config': str(write_search(kind, tmp_path))}
                            for row, kind in kinds.items()}  # fmt: skip
    cells = zip((f'{kind}-0' for kind in kinds.values()), some_cells(2, 3), strict=True)
    tool, work = write_tool(tmp_path, dict(cells)), tmp_path / 'work'
    first = load_plan(write_plan(tmp_path, {'one': rows['one']}, seeds=[0]))
    assert run_study(first, work, tool) == ([], [])
    rows['two']['starts_from'] = 'one'
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    busy, (text,) = run_study(plan, work, tool)
    assert not busy and 'row two starts from ' in text and 'seed-0/search, which has no' in text
    for epoch in (2, 10):
        torch.save({'state_dict': {}}, work / f'one/seed-0/search/epoch_{epoch}.pth')
    assert run_study(plan, work, tool) == ([], [])
    assert f'load_from={work}/one/seed-0/search/epoch_10.pth' in calls(tmp_path)[-1]
    spent = costs(plan, work)
    assert spent['two']['0'] > spent['one']['0'] > 0
    waiting = load_plan(write_plan(tmp_path, rows, seeds=[1]))
    (tmp_path / 'params-trained-1.error').write_text('error: something')
    busy, failed = run_study(waiting, work, tool)
    assert not busy and failed[0].startswith('one, seed 1: ')
    assert failed[1] == 'two, seed 1: one, which it starts from, failed'
    command = [sys.executable, '-c', HOLD, str(work / 'one/seed-1')]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b'held\n'
        busy, _ = run_study(waiting, work, tool)
        other.communicate()
    assert busy == ['one, seed 1', 'two, seed 1 (waits for one)']


def test_the_best_of_several_has_seeds_of_its_own(tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    rows = {'best': {'config': str(config), 'best_of': 3, 'options': {'model.draws': 5}}}
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0, 4]))
    names = ('1000,1001,1002', '5000,5001,5002')
    cells = dict(zip((f'params-{n}' for n in names), some_cells(2, 0), strict=True))
    run_study(plan, tmp_path / 'work', write_tool(tmp_path, cells))
    assert [words[1:3] for words in calls(tmp_path)] == [['--seeds', n] for n in names]
    found = results(plan, tmp_path / 'work')['rows']['best']['seeds']
    assert [found[s]['architecture'] for s in ('0', '4')] == list(cells.values())


def test_a_search_without_an_architecture_is_a_result(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0, 1])
    found = {**found_by_seed(), 'naswot-1': f'{DEGENERATE}: node 4 has no input'}
    tool = write_tool(tmp_path, found)
    for _ in range(2):  # it is not tried again
        assert run_study(plan, tmp_path / 'work', tool) == ([], [])
    assert len(calls(tmp_path)) == 4
    row = results(plan, tmp_path / 'work')['rows']['one']
    assert (row['summary']['done'], row['summary']['failed']) == (2, 1)
    assert 'node 4 has no input' in row['seeds']['1']['failed']


def test_a_search_that_breaks_is_repeated_and_the_others_go_on(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0, 1])
    tool = write_tool(tmp_path, {**found_by_seed(), 'naswot-0': 'error: no space left'})
    busy, (text,) = run_study(plan, tmp_path / 'work', tool)
    assert not busy and text.startswith('one, seed 0: error: no space left')
    assert failures(plan, tmp_path / 'work') == [text]
    page = write_page(plan, tmp_path / 'work', 'command', [])
    assert f'Ended with an error, to be tried again:\n\n- {text}' in page
    rows = results(plan, tmp_path / 'work')['rows']
    assert list(rows['one']['seeds']) == ['1'] and list(rows['two']['seeds']) == ['0', '1']
    first = read_json(tmp_path / 'work/one/seed-0/spent.json')['core_seconds']
    (tmp_path / 'naswot-0.error').unlink()
    write_tool(tmp_path, found_by_seed())
    assert run_study(plan, tmp_path / 'work', tool) == ([], [])
    assert len(calls(tmp_path)) == 5
    assert failures(plan, tmp_path / 'work') == []
    # both tries cost
    both = read_json(tmp_path / 'work/one/seed-0/spent.json')['core_seconds']
    assert costs(plan, tmp_path / 'work')['one']['0'] == both > 1.2 * first > 0


CHANGES: dict[str, dict[str, Any]] = {
    'an option of the row': {'options': {'model.draws': 9}},
    'more searches': {'best_of': 2},
    'a ranking': {'ranks': 'alpha'},
}


@pytest.mark.parametrize('change', [*CHANGES, 'an option of all', 'the config'])
def test_changed_settings_are_refused(change: str, tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    row = {'config': str(config)}
    tool = write_tool(tmp_path, found_by_seed())
    run_study(load_plan(write_plan(tmp_path, {'two': row}, seeds=[0])), tmp_path / 'work', tool)
    options = {'val_dataloader.batch_size': 3} if change == 'an option of all' else {}
    if change == 'the config':
        config.write_text(config.read_text().replace('draws=4', 'draws=5'))
    rows = {'two': {**row, **CHANGES.get(change, {})}}
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0, 1], options=options))
    with pytest.raises(ConfigError, match=r'work/two/seed-0 has results of other settings; remove'):
        run_study(plan, tmp_path / 'work', tool)
    assert len(calls(tmp_path)) == 1


def test_what_changes_no_result_is_no_other_setting(tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    tool = write_tool(tmp_path, found_by_seed((0, 1)))
    for given in ({'seeds': [0]}, {'seeds': [0, 1], 'cells': 40, 'title': 'x'}):
        rows = {'two': {'config': str(config), 'note': str(given)}}
        run_study(load_plan(write_plan(tmp_path, rows, **given)), tmp_path / 'work', tool)
    assert len(calls(tmp_path)) == 2


def test_a_config_that_is_no_search_is_refused_before_anything_runs(tmp_path: Path) -> None:
    training = ROOT / 'configs/classification/pp-resnet20_digits.py'
    rows = {
        'two': {'config': str(write_search('params', tmp_path))},
        'bad': {'config': str(training)},
    }
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    with pytest.raises(ConfigError, match='pp-resnet20_digits'):
        run_study(plan, tmp_path / 'work', write_tool(tmp_path, found_by_seed()))
    assert calls(tmp_path) == []
    good = load_plan(write_plan(tmp_path, {'two': rows['two']}, options={'model.draws': 77}))
    assert config_of(good, good.rows[0], tmp_path / 'work').model.draws == 77


def test_two_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second takes what the first has not begun, and says what it left to it."""
    plan = made_plan(tmp_path, ROWS, seeds=[0, 1])
    tool = write_tool(tmp_path, found_by_seed())
    code = (
        'import sys; from pathlib import Path; from ppnas_mm.study import load_plan, run_study\n'
        'print("busy:", run_study(load_plan(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))'
    )
    command = [sys.executable, '-c', code, str(tmp_path / 'study.yml'), str(tmp_path / 'work')]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'STUDY_PAUSE': '6'}
    with subprocess.Popen([*command, str(tool)], env=environment, stdout=subprocess.PIPE) as other:
        deadline = time.monotonic() + 120
        while not calls(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        busy = run_study(plan, tmp_path / 'work', tool)
        output = other.communicate(timeout=120)[0].decode()
    assert busy == (['one, seed 0'], []) and 'busy: ([], [])' in output
    assert len(calls(tmp_path)) == 4  # nothing twice
    rows = results(plan, tmp_path / 'work')['rows']
    assert [len(rows[row]['seeds']) for row in ROWS] == [2, 2]


# -- real searches ---------------------------------------------------------------------------------


def study_of_digits(folder: Path) -> Path:
    """Two cheap rows, two seeds; a super-net of one epoch ranks cells."""
    rows = {
        'naswot': {'config': str(write_search('naswot', folder))},
        'spos': {'config': str(write_search('spos', folder)), 'ranks': 'super-net'},
    }
    return write_plan(folder, rows, seeds=[0, 1], cells=4, against=['naswot'])


def test_a_study_of_real_searches(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = {'params': {'config': str(write_search('params', tmp_path)), 'note': 'the largest'}}
    study = write_plan(tmp_path, rows, seeds=[1])
    arguments = [study, '--work-dir', tmp_path / 'work']
    assert call('study.py', *arguments, '--rows', 'naswot') == 2
    assert '--rows naswot: expected some of params' in capsys.readouterr().err
    assert not (tmp_path / 'work').exists()
    assert call('study.py', study, '--work-dir', study) == 2
    assert f'{study}: a file is in the way; expected a folder' in capsys.readouterr().err
    assert call('study.py', *arguments, '--rows', 'params', '--seeds', '1') == 0
    printed = capsys.readouterr().out
    assert '# study' in printed and '- params: the largest' in printed
    found = read_json(tmp_path / 'work/results.json')['rows']['params']['seeds']['1']
    genotype = json.loads((tmp_path / 'work/params/seed-1/search/genotype.json').read_text())
    ops = [edge['op'] for node in genotype['cells'][0]['nodes'] for edge in node]
    assert [edge.split('~')[0] for edge in found['architecture'].replace('+', '').split('|')
            if edge] == ops  # fmt: skip
    assert found['accuracy']['cifar10-test'] == accuracies()[found['architecture']][0]
    before = (tmp_path / 'work/results.json').read_bytes()
    (tmp_path / 'work/results.json').unlink()
    assert call('study.py', *arguments, '--report') == 0
    assert (tmp_path / 'work/results.json').read_bytes() == before
    data = yaml.safe_load(study.read_text())
    data['options'] = {'model.draws': 3}
    study.write_text(yaml.safe_dump(data))
    assert call('study.py', *arguments) == 2
    assert 'has results of other settings' in capsys.readouterr().err
    study.write_text('rows: 5')
    assert call('study.py', *arguments) == 2
    assert f'study {study}: file: missing key' in capsys.readouterr().err


def test_a_killed_study_goes_on_to_the_same_results(tmp_path: Path) -> None:
    study = study_of_digits(tmp_path)
    whole = start('study.py', study, '--work-dir', tmp_path / 'whole', stdout=subprocess.DEVNULL)
    assert whole.wait(600) == 0
    folder = tmp_path / 'killed'
    # once in the middle of a search, once while the super-net ranks or shortly after
    for file in ('spos/seed-0/search/output.log', 'spos/seed-0/search/genotype.json'):
        process = start('study.py', study, '--work-dir', folder, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (folder / file).is_file():
            time.sleep(0.02)
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / 'results.json').exists()
    # two go on together
    both = [
        start('study.py', study, '--work-dir', folder, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [process.wait(600) for process in both] == [0, 0]
    last = start('study.py', study, '--work-dir', folder, stdout=subprocess.DEVNULL)
    assert last.wait(600) == 0
    expected = (tmp_path / 'whole/results.json').read_bytes()
    assert (folder / 'results.json').read_bytes() == expected
    rows = json.loads(expected)['rows']
    assert rows['spos']['summary']['done'] == 2 and rows['spos']['seeds']['0']['ranked'] == 4
    assert rows['spos']['tests']['naswot']['seeds'] == 2
