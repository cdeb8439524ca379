"""What is wrong with a study, a row or a work dir is said before any search runs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_searches import write_search
from studies import (
    ROWS,
    calls,
    found_by_seed,
    made_plan,
    some_cells,
    write_plan,
    write_result,
    write_tool,
)
from tool import ROOT

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.study import Plan, Row, load_plan, run_study
from ppnas_mm.study.page import write_page
from ppnas_mm.study.results import results
from ppnas_mm.study.run import check_results
from ppnas_mm.study.searches import check_row, settings_of_rows
from ppnas_mm.tables import TableError
from ppnas_mm.utils.files import read_json, write_json


def test_what_would_fail_at_the_end_is_found_before(tmp_path: Path) -> None:
    """The page needs the table, its data sets, and architectures of its space."""
    plan, work = made_plan(tmp_path, ROWS, seeds=[0]), tmp_path / 'work'
    tool = write_tool(tmp_path, found_by_seed())
    macro = str(ROOT / 'configs/search/zero-cost_nasbench-macro-20k.py')
    chain = replace(plan, rows=(*plan.rows, Row('macro', Path(macro))))
    first = plan.rows[0]

    def second(**given: Any) -> Plan:
        return replace(plan, rows=(first, replace(first, name='b', **given)))

    wrong: dict[str, tuple[Plan, type[Exception], str]] = {
        'data set': (
            replace(plan, datasets=('cifar11',)),
            TableError,
            "unknown data set 'cifar11'",
        ),
        'table': (replace(plan, table=tmp_path / 'no.csv'), TableError, 'no nasbench201 table at'),
        'space': (chain, ConfigError, 'row macro: .*searches in nasbench-macro; the space of the'),
        'a misspelt key': (
            second(options={'model.drawz': 3}),
            ConfigError,
            'row b: TypeError: .*drawz',
        ),
        'ranks': (second(ranks='super-net'), ConfigError, 'row b: .*no weights, which ranks needs'),
        'a source': (
            second(starts_from='one'),
            ConfigError,
            'row one: .* trains no weights, which starts_from of b needs',
        ),
    }
    for made, kind, words in wrong.values():
        with pytest.raises(kind, match=words):
            run_study(made, work, tool)
    assert not calls(tmp_path) and not work.exists()


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('optim_wrapper.weights.optimizer.lrr', 0.1),
        ('train_dataloader.dataset.splitt', 'train'),
        ('default_hooks.search.graine', 2),
        ('train_cfg.val_shares', 0.2),
        ('param_scheduler.weights.0.endd', 3),
        ('load_from', 'no.pth'),
        ('val_evaluator.topkk', 3),
        ('val_dataloader.dataset.splitt', 'test'),
    ],
)
def test_every_part_of_a_search_is_built_before(key: str, value: Any, tmp_path: Path) -> None:
    rows = {'a': {'config': str(write_search('params', tmp_path))},
            'b': {'config': str(ROOT / 'configs/search/senas_nasbench201-digits.py'),
                  'options': {key: value}}}  # fmt: skip
    plan = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    tool = write_tool(tmp_path, found_by_seed())
    with pytest.raises(ConfigError, match=f'row b: .*{key.rpartition(".")[2]}'):
        run_study(plan, tmp_path / 'work', tool)
    assert not calls(tmp_path)


def test_a_ranking_by_alpha_needs_alpha(tmp_path: Path) -> None:
    for name, good in (('spos', False), ('gdas', True)):
        config = write_search(name, tmp_path)
        row = Row(name, config, ranks='alpha')
        plan = replace(made_plan(tmp_path, ROWS), rows=(row,))
        if good:
            check_row(plan, row, tmp_path)
            continue
        with pytest.raises(ConfigError, match='row spos: ranks: alpha, but SPOS trains no alpha'):
            check_row(plan, row, tmp_path)


def test_results_of_other_settings_are_on_no_page(tmp_path: Path) -> None:
    """Neither those of a changed row, nor those of a row that starts from it."""
    rows: dict[str, Any] = {row: {'config': str(write_search(kind, tmp_path))}
                            for row, kind in ROWS.items()}  # fmt: skip
    rows['two']['starts_from'] = 'one'
    plan, work = load_plan(write_plan(tmp_path, rows, seeds=[0])), tmp_path / 'work'
    for row, cell in zip(rows, some_cells(2, 3), strict=True):
        write_result(plan, work / row / 'seed-0', [cell])
    check_results(plan, work)
    write_page(plan, work, 'a command', [])
    rows['one']['options'] = {'val_dataloader.batch_size': 7}
    changed = load_plan(write_plan(tmp_path, rows, seeds=[0]))
    for row in rows:
        with pytest.raises(ConfigError, match=f'{row}/seed-0 has results of other settings'):
            check_results(changed, work)
        with pytest.raises(ConfigError, match=f'{row}/seed-0 has results of other settings'):
            results(changed, work)
        shutil.rmtree(work / row)
    check_results(changed, work)
    write_json(work / 'two/seed-0/started.json', {'settings': 'of an earlier source'})
    with pytest.raises(ConfigError, match='two/seed-0 has results of other settings'):
        check_results(changed, work)


def test_a_search_notes_its_settings_before_it_starts(tmp_path: Path) -> None:
    plan, work = made_plan(tmp_path, {'one': 'params'}, seeds=[0]), tmp_path / 'work'
    tool = write_tool(tmp_path, {'params-0': 'error: something'})
    assert run_study(plan, work, tool)[1]
    expected = settings_of_rows(plan, work)['one']
    assert read_json(work / 'one/seed-0/started.json')['settings'] == expected
    changed = made_plan(
        tmp_path, {'one': 'params'}, seeds=[0], options={'train_cfg.val_share': 0.4}
    )
    with pytest.raises(ConfigError, match='one/seed-0 has results of other settings; remove'):
        run_study(changed, work, tool)


def test_weights_to_start_from_are_settings(tmp_path: Path) -> None:
    rows = {'a': {'config': str(write_search('gdas', tmp_path)), 'options': {}}}
    found = set()
    for name in ('', 'one.pth', 'two.pth'):
        rows['a']['options'] = {'load_from': name} if name else {}
        found.add(settings_of_rows(load_plan(write_plan(tmp_path, rows)), tmp_path)['a'])
    assert len(found) == 3


def test_the_work_dir_of_another_study_is_refused(tmp_path: Path) -> None:
    plan, work = made_plan(tmp_path, {'one': 'naswot'}, seeds=[0], title='First'), tmp_path / 'work'
    write_result(plan, work / 'one/seed-0', some_cells(1, 3))
    write_page(plan, work, 'a command', [])
    more = made_plan(tmp_path, ROWS, seeds=[0, 1], title='Later')
    check_results(more, work)
    check_results(made_plan(tmp_path, {'renamed': 'naswot'}, seeds=[0], title='First'), work)
    other = made_plan(tmp_path, {'two': 'params'}, seeds=[0])
    with pytest.raises(ConfigError, match="work is the work dir of another study, 'First'"):
        check_results(other, work)
    comma = load_plan(write_plan(tmp_path, {
        'one': {'config': str(write_search('gdas', tmp_path))},
        'two': {'config': str(write_search('gdas', tmp_path)), 'starts_from': 'one'},
    }))  # fmt: skip
    with pytest.raises(ConfigError, match=r"--work-dir '.*work 1, old': .* a path with a comma"):
        check_results(comma, tmp_path / 'work 1, old')


def test_architectures_that_the_table_lacks_are_found_before(tmp_path: Path) -> None:
    config = str(ROOT / 'configs/search/zero-cost_nasbench-macro-20k.py')
    options = {'model.model.backbone.depths': [1, 1, 1]}
    row = Row('short', Path(config), options)
    plan = Plan('nasbench-macro', tmp_path, (row,), 'title', ('cifar10-test',))
    with pytest.raises(ConfigError, match=r'row short: .* no such architectures: .*\(1, 1, 1\)'):
        check_row(plan, row, tmp_path)
