"""Studies as YAML: what they say, and what is wrong with them in one line that names the key."""

from pathlib import Path
from typing import Any

import pytest
from small_searches import write_search
from studies import write_plan
from tool import ROOT

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.study import Plan, Row, load_plan


def test_a_study_is_what_it_says(tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    rows: dict[str, Any] = {
        'plain': {'config': str(config)},
        'full_1-a': {
            'config': str(config),
            'options': {'model.draws': 7},
            'best_of': 4,
            'ranks': 'alpha',
            'note': 'as in the paper',
        },
    }
    path = write_plan(
        tmp_path, rows, title='A study', datasets=['cifar100-test', 'cifar10-test'], seeds=[3, 1],
        options={'data_root': 'here'}, cells=20, against=['plain'],
    )  # fmt: skip
    assert load_plan(path) == Plan(
        space='nasbench201',
        table=tmp_path / 'nats_bench_tss_200ep.csv',
        rows=(
            Row('plain', config),
            Row('full_1-a', config, {'model.draws': 7}, 4, 'alpha', 'as in the paper'),
        ),
        title='A study',
        datasets=('cifar100-test', 'cifar10-test'),
        seeds=(3, 1),
        options={'data_root': 'here'},
        cells=20,
        against=('plain',),
    )


def test_a_part_has_the_rows_that_its_rows_start_from(tmp_path: Path) -> None:
    config = {'config': str(write_search('params', tmp_path))}
    rows = {'a': config, 'b': config | {'starts_from': 'a'}, 'c': config | {'starts_from': 'b'}}
    plan = load_plan(write_plan(tmp_path, {**rows, 'd': config}, seeds=[3, 1, 2]))

    def names(given: list[str]) -> list[str]:
        return [row.name for row in plan.part(given, []).rows]

    assert names(['d', 'b']) == ['a', 'b', 'd'] and names(['c']) == ['a', 'b', 'c']
    assert plan.part([], [2, 3]).seeds == (3, 2)
    assert plan.part([], []) == plan
    with pytest.raises(ConfigError, match=r'--rows b,e: expected some of a,b,c,d'):
        plan.part(['b', 'e'], [])
    with pytest.raises(ConfigError, match=r'--seeds 0: expected some of 3,1,2'):
        plan.part([], [0])


def test_a_shipped_config_has_a_name(tmp_path: Path) -> None:
    for name in ('spos_nasbench201', 'configs/search/spos_nasbench201.py'):
        plan = load_plan(write_plan(tmp_path, {'a': {'config': name}}))
        assert plan.rows[0].config.samefile(ROOT / 'configs/search/spos_nasbench201.py')


def test_a_study_that_says_little(tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    plan = load_plan(write_plan(tmp_path, {'a': {'config': str(config)}}))
    assert plan.title == 'study' and plan.seeds == (0, 1, 2, 3, 4)
    assert plan.datasets == ('cifar10-test',) and plan.cells == 150
    assert plan.options == {} and plan.against == ()
    assert plan.rows == (Row('a', config, {}, 1, None, ''),)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'space': ({'space': 'mars'}, r"space: expected one of \['nasbench-macro', 'nasbench201'\]"),
    'table': ({'table': ''}, 'table: expected a line of text'),
    'rows': ({'rows': {}}, 'rows: expected at least one'),
    'a list of rows': ({'rows': ['a']}, 'rows: expected an object'),
    'name': ({'rows': {'../up': {'config': 'CONFIG'}}}, 'rows: expected names of letters'),
    'number': ({'rows': {5: {'config': 'CONFIG'}}}, 'rows: expected names of letters'),
    'row': ({'rows': {'a': 'CONFIG'}}, r'rows\.a: expected an object'),
    'no config': ({'rows': {'a': {'note': 'x'}}}, r"rows\.a: missing key 'config'"),
    'config': (
        {'rows': {'a': {'config': 'no.py'}}},
        r'rows\.a\.config: config no\.py: .*; paths are relative to /',
    ),
    'best_of': ({'rows': {'a': {'config': 'CONFIG', 'best_of': 0}}}, r'rows\.a\.best_of: 0 is'),
    'ranks': (
        {'rows': {'a': {'config': 'CONFIG', 'ranks': 'beta'}}},
        r"rows\.a\.ranks: expected one of \['alpha', 'super-net'\]",
    ),
    'options of a row': (
        {'rows': {'a': {'config': 'CONFIG', 'options': [1]}}},
        r'rows\.a\.options: expected an object',
    ),
    'a key of a row': (
        {'rows': {'a': {'config': 'CONFIG', 'rank': 'alpha'}}},
        r"rows\.a: unknown key 'rank'; did you mean 'ranks'",
    ),
    'seeds': ({'seeds': []}, r'seeds \(length\): 0 is outside'),
    'a seed': ({'seeds': [0, 1.5]}, r'seeds\[1\]: expected an integer'),
    'a negative seed': ({'seeds': [-1]}, r'seeds\[0\]: -1 is outside'),
    'a large seed': ({'seeds': [99999999999]}, r'seeds\[0\]: 99999999999 is outside 0\.\.4000000'),
    'a seed as an option': (
        {'options': {'randomness.seed': 3}},
        r'options\.randomness\.seed: expected no such option',
    ),
    'a seed twice': ({'seeds': [1, 1]}, 'seeds: expected different numbers'),
    'datasets': ({'datasets': []}, r'datasets \(length\): 0'),
    'a data set': ({'datasets': [5]}, r'datasets\[0\]: expected a line of text'),
    'cells': ({'cells': 1}, 'cells: 1 is outside'),
    'true cells': ({'cells': True}, 'cells: expected an integer'),
    'against': ({'against': ['b']}, r"against\[0\]: expected one of \['a'\], got 'b'"),
    'starts from itself': (
        {'rows': {'a': {'config': 'CONFIG', 'starts_from': 'a'}}},
        r"rows\.a\.starts_from: expected one of \[\], got 'a'",
    ),
    'starts from several': (
        {
            'rows': {
                'a': {'config': 'CONFIG', 'best_of': 2},
                'b': {'config': 'CONFIG', 'starts_from': 'a'},
            }
        },
        r"rows\.b\.starts_from: expected rows of one search a seed, got 'a'",
    ),
    'same cells': ({'same_cells': ['a']}, "same_cells: expected rows with ranks, got 'a'"),
    'options': ({'options': 'x'}, 'options: expected an object'),
    'title': ({'title': 'two\nlines'}, 'title: expected a line of text'),
    'brackets of an option': (
        {'options': {'data_root': '(a,b'}},
        r'options\.data_root: .* brackets do not close',
    ),
    'a key': ({'seed': [1]}, "file: unknown key 'seed'; did you mean 'seeds'"),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_wrong_is_named(case: str, tmp_path: Path) -> None:
    changes, message = WRONG[case]
    config = write_search('params', tmp_path)
    given = {'rows': {'a': {'config': str(config)}}, **changes}
    path = write_plan(tmp_path, **given)
    path.write_text(path.read_text().replace('CONFIG', str(config)))
    with pytest.raises(ConfigError, match=message) as error:
        load_plan(path)
    assert str(error.value).startswith(f'study {path}: ') and '\n' not in str(error.value)


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'study.yml'
    text = 'base: &base {x: 1}\nsame: {<<: *base, x: 2}\nrows:\n  a: 1\n  b: 2\n  a: 3\n'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"study.yml: refused: line 6: the key 'a' is given twi"):
        load_plan(path)


def test_options_are_read_as_on_the_command_line(tmp_path: Path) -> None:
    """YAML takes 1e-3 for a string; a list of mappings is no problem."""
    config = str(write_search('params', tmp_path))
    pipeline = [{'type': 'Resize', 'scale': 16}, {'type': 'PackInputs'}]
    path = write_plan(tmp_path, {'a': {'config': config, 'options': {'pipeline': pipeline}}})
    path.write_text(
        path.read_text()
        + 'options: {names: "a,b", lr: 1e-3, data_root: /my data, betas: [1e-1, .9]}'
    )
    plan = load_plan(path)
    assert plan.options == {
        'names': ['a', 'b'],
        'lr': 0.001,
        'data_root': '/my data',
        'betas': [0.1, 0.9],
    }
    assert plan.rows[0].options == {'pipeline': pipeline}


@pytest.mark.parametrize('key', ['space', 'table', 'rows'])
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    path = write_plan(tmp_path, {'a': {'config': str(config)}})
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f'{key}:'))
    end = start + 3 if key == 'rows' else start + 1
    path.write_text('\n'.join(lines[:start] + lines[end:]))
    with pytest.raises(ConfigError, match=f'missing key {key!r}'):
        load_plan(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'No such file'),
        (b'', 'file: expected an object'),
        (b'rows: [', r'study\.yml'),
        (b'\xff\xfe\xff', r'study\.yml'),
        (b'a: &a [*a]\n', r'study\.yml'),
        (b'- !!python/object/apply:os.system [ls]', r'study\.yml'),
    ],
)
def test_what_is_no_study_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'study.yml'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_plan(path)
