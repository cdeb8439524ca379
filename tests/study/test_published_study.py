"""Studies that go on from their published page, when the work dir is gone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_searches import write_search
from studies import made_plan, some_cells, write_plan, write_tool

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.study import Plan, load_plan, run_study
from ppnas_mm.study.page import write_page
from ppnas_mm.study.published import NOTHING, load_published
from ppnas_mm.study.results import results
from ppnas_mm.study.run import failures
from ppnas_mm.study.searches import settings_of_rows
from ppnas_mm.utils.files import read_json, write_json

ROWS = {'one': 'naswot', 'two': 'params-trained'}


def searched(folder: Path) -> list[str]:
    """Config and seed of the searches that were run."""
    log = folder / 'calls.log'
    calls = [x.split() for x in log.read_text().splitlines()] if log.is_file() else []
    return [f'{Path(words[0]).stem}-{words[2]}' for words in calls]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The page of two rows with one seed."""
    plan = made_plan(tmp_path, ROWS, seeds=[0])
    names = [f'{kind}-{seed}' for kind in ROWS.values() for seed in (0, 1)]
    tool = write_tool(tmp_path, dict(zip(names, some_cells(4, 3), strict=True)))
    assert run_study(plan, tmp_path / 'first', tool) == ([], [])
    write_page(plan, tmp_path / 'first', 'a command', [], tmp_path / 'page')
    (tmp_path / 'calls.log').unlink()
    return tmp_path / 'page'


def known_of(plan: Plan, page: Path, work: Path) -> Any:
    """What the page knows about a study."""
    return load_published(plan, page, settings_of_rows(plan, work))


def test_only_new_seeds_are_searched(tmp_path: Path, published: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0, 1])
    tool, work = tmp_path / 'made_search.py', tmp_path / 'second'
    known = known_of(plan, published, work)
    assert run_study(plan, work, tool, known) == ([], [])
    assert searched(tmp_path) == ['naswot-1', 'params-trained-1']
    write_page(plan, work, 'a command', [], published, known)
    # the page is that of a study with nothing published, but for the times
    assert run_study(plan, tmp_path / 'first', tool) == ([], [])
    write_page(plan, tmp_path / 'first', 'a command', [])
    assert (published / 'results.json').read_bytes() == (
        tmp_path / 'first/results.json'
    ).read_bytes()
    spent = json.loads((published / 'costs.json').read_text())
    assert {row: list(spent[row]) for row in ROWS} == {row: ['0', '1'] for row in ROWS}


def test_other_settings_are_searched_again(tmp_path: Path, published: Path) -> None:
    rows = {row: {'config': str(tmp_path / f'{kind}.py')} for row, kind in ROWS.items()}
    rows['two']['options'] = {'val_dataloader.batch_size': 9}
    plan, work = load_plan(write_plan(tmp_path, rows, seeds=[0])), tmp_path / 'second'
    known = known_of(plan, published, work)
    assert run_study(plan, work, tmp_path / 'made_search.py', known) == ([], [])
    assert searched(tmp_path) == ['params-trained-0']


def test_a_published_search_runs_if_another_starts_from_it(tmp_path: Path, published: Path) -> None:
    """Its weights are not published."""
    rows = {row: {'config': str(tmp_path / f'{kind}.py')} for row, kind in ROWS.items()}
    rows['three'] = {'config': str(write_search('gdas', tmp_path)), 'starts_from': 'two'}
    plan, work = load_plan(write_plan(tmp_path, rows, seeds=[0])), tmp_path / 'second'
    known = known_of(plan, published, work)
    _, (text,) = run_study(plan, work, tmp_path / 'made_search.py', known)
    assert text.startswith('three, seed 0: ') and 'which has no checkpoint' in text
    assert searched(tmp_path) == ['params-trained-0']


def test_a_row_is_searched_again_if_its_source_changed(tmp_path: Path, published: Path) -> None:
    rows = {row: {'config': str(tmp_path / f'{kind}.py')} for row, kind in ROWS.items()}
    rows['two']['starts_from'] = 'one'
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    found = read_json(published / 'results.json')
    found['rows']['two']['settings'] = settings_of_rows(plan, tmp_path)['two']
    write_json(published / 'results.json', found)
    assert set(known_of(plan, published, tmp_path).seeds) == {'one', 'two'}
    rows['one']['options'] = {'train_dataloader.batch_size': 7}
    changed = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    assert not known_of(changed, published, tmp_path).seeds


def test_a_page_that_would_lose_results_is_not_published(tmp_path: Path, published: Path) -> None:
    """Neither rows, nor seeds, nor results of settings that have changed."""
    before = {p: p.read_bytes() for p in published.iterdir()}
    lacking = {
        'a row': made_plan(tmp_path, {'two': ROWS['two']}, seeds=[0]),
        'a seed': made_plan(tmp_path, ROWS, seeds=[7]),
        'settings': made_plan(tmp_path, ROWS, seeds=[0], options={'val_dataloader.batch_size': 7}),
    }
    for plan in lacking.values():
        work = tmp_path / 'other'
        work.mkdir(exist_ok=True)
        with pytest.raises(ConfigError, match=r'has results that this page lacks \(one, seed 0'):
            write_page(plan, work, 'x', [], published, known_of(plan, published, work))
        assert (work / 'study.md').is_file()
        assert before == {p: p.read_bytes() for p in published.iterdir()}


def test_an_old_error_of_a_published_search_is_not_listed(tmp_path: Path, published: Path) -> None:
    plan, work = made_plan(tmp_path, ROWS, seeds=[0]), tmp_path / 'other'
    for row in ROWS:
        (work / row / 'seed-0').mkdir(parents=True)
        write_json(work / row / 'seed-0/error.json', {'error': 'long ago'})
    assert len(failures(plan, work)) == 2
    assert failures(plan, work, known_of(plan, published, work)) == []


def test_what_is_not_of_the_study_is_left_out(tmp_path: Path, published: Path) -> None:
    plan = made_plan(tmp_path, {'two': 'params-trained'}, seeds=[1])
    known = known_of(plan, published, tmp_path / 'second')
    found = results(plan, tmp_path / 'second', known)
    assert found['rows']['two']['seeds'] == {} and list(found['rows']) == ['two']


def test_nothing_is_published_yet(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0])
    assert load_published(plan, tmp_path / 'none', {}) is NOTHING


def test_a_study_may_name_the_folder_of_its_table(tmp_path: Path, published: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0])
    same = replace(plan, table=plan.table.parent)
    assert known_of(same, published, tmp_path / 'second').has('one', 0)


def test_a_page_of_other_data_sets_is_refused(tmp_path: Path, published: Path) -> None:
    plan = made_plan(tmp_path, ROWS, seeds=[0], datasets=['cifar100-test'])
    with pytest.raises(ConfigError, match=r"page: its datasets is .'cifar10-test'., that of"):
        known_of(plan, published, tmp_path / 'second')
