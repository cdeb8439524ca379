"""The tables of the papers: their numbers, their commands, and a run of made-up commands."""

import argparse
import math
import re
import runpy
import shlex
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest
from tool import ROOT, call, start

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.genotype import Genotype
from ppnas_mm.study import load_plan
from ppnas_mm.study.paper import FOLDER, SCALES, Paper, PaperTable, load_paper, papers
from ppnas_mm.study.paper_measure import MeasureError, read_measure
from ppnas_mm.study.paper_run import commands, dry_run, measured, run_table, runs_of
from ppnas_mm.study.paper_text import commands_text, summary, table_text, tables_text
from ppnas_mm.tables import TABLES as BENCHMARKS
from ppnas_mm.tables import TableError
from ppnas_mm.utils.files import write_json
from ppnas_mm.utils.jobs import JobError

NAMES = ('cdarts', 'eoinas', 'pp-nas', 'se-nas')
TEXTS = ROOT.parent / 'shared/papers'
TABLES = [(name, table) for name in NAMES for table in load_paper(name).tables]


def table_of(name: str, table: str) -> PaperTable:
    return load_paper(name).tables[table]


@lru_cache
def lines_of(name: str) -> tuple[str, ...]:
    """The lines of a paper's text without mark-up."""
    text = (TEXTS / f'{name}.txt').read_text().replace(r'\pm', '±')
    text = re.sub(r'\\textbf\{(.*?)\}|<.*?>|\*\*|\$', r'\1', text)
    return tuple(re.sub(r'\s*±\s*', '±', text).splitlines())


def stands_in(number: str, line: str) -> bool:
    plain = re.sub(r'\s*±\s*', '±', number)
    return bool(re.search(rf'(?<![\d.]){re.escape(plain)}(?![\d]|\.\d)', line))


def test_every_paper_has_its_file() -> None:
    assert papers() == NAMES and FOLDER.is_dir()


@pytest.mark.parametrize('name', NAMES)
def test_a_paper_lists_its_tables(name: str) -> None:
    paper = load_paper(name)
    lines = tables_text(paper).splitlines()
    assert lines[0] == paper.title and len(lines) == 1 + len(paper.tables)
    for table in paper.tables.values():
        assert table.scales and set(table.scales) <= set(SCALES)


@pytest.mark.parametrize(('name', 'table'), TABLES)
def test_every_number_stands_in_one_line_of_the_paper(name: str, table: str) -> None:
    if not TEXTS.is_dir():
        pytest.skip(f'no texts of the papers at {TEXTS}')
    for row in table_of(name, table).rows:
        numbers = row.paper.values()
        assert any(all(stands_in(n, line) for n in numbers) for line in lines_of(name)), row


def test_the_search_for_numbers_takes_whole_numbers() -> None:
    assert stands_in('3.50', 'a\t3.50\t17') and stands_in('7.1', 'of 7.1.')
    assert not stands_in('3.5', 'a\t3.50') and not stands_in('3.50', '13.50')


@lru_cache
def parser_of(tool: str) -> argparse.ArgumentParser:
    return runpy.run_path(str(ROOT / 'tools/docs.py'))['parser_of'](ROOT / tool)


@pytest.mark.parametrize(('name', 'table'), TABLES)
def test_every_command_is_one_that_its_tool_takes(name: str, table: str, tmp_path: Path) -> None:
    own = table_of(name, table)
    for scale in own.scales:
        made = [c for _, run in runs_of(own, scale) for c in commands(run, tmp_path)]
        shown = [c.shown(ROOT)[1:] for c in made]
        shown += [list(one.command) for one in own.prepare.get(scale, ())]
        for tool, *words in shown:
            for word in words:
                assert not word.startswith('configs/') or (ROOT / word).is_file(), word
            parser_of(tool).parse_args(words)
            if '--genotype' in words:
                Genotype.load(words[words.index('--genotype') + 1])


@pytest.mark.parametrize(('name', 'table'), TABLES)
def test_a_table_reads_rows_that_its_study_runs(name: str, table: str) -> None:
    own = table_of(name, table)
    for run in (run for scale in own.scales for _, run in runs_of(own, scale)):
        if run.command[0] == 'tools/study.py':
            args = parser_of('tools/study.py').parse_args(run.command[1:])
            plan = load_plan(ROOT / args.study).part(args.rows, args.seeds)
            for measure in run.measures.values():
                _, rows, row, *_, last = measure.split('#')
                assert rows == 'rows' and row in {row.name for row in plan.rows}
                assert last in {*plan.datasets, 'tau'}


@pytest.mark.parametrize(('name', 'table'), TABLES)
def test_what_was_measured_here_stands_on_its_page(name: str, table: str) -> None:
    for row in table_of(name, table).rows:
        for run in (run for runs in row.runs.values() for run in runs):
            assert run.cost
            if run.here is not None:
                assert run.here.page.startswith('docs/results/')
                assert stands_in(run.here.value, re.sub(r'\s*±\s*', '±', page(run.here.page)))
            for name_of_page in re.findall(r'docs/[\w/]+\.md', run.cost):
                assert (ROOT / name_of_page).is_file()


def page(name: str) -> str:
    return (ROOT / name).read_text()


def test_a_dry_run_prints_a_comment_and_each_command_once(tmp_path: Path) -> None:
    words = ['pp-nas', 'VIII', '--dry-run', '--work-dir', str(tmp_path)]
    process = start('paper.py', *words, stdout=subprocess.PIPE, text=True)  # libraries print, too
    head, *lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert head.startswith('# pp-nas, Table VIII: ') and head.endswith('; scale digits')
    assert len(lines) == len(set(lines)) == 15  # five rows, three seeds
    assert all(shlex.split(line)[:2] == ['python', 'tools/search.py'] for line in lines)
    assert not list(tmp_path.iterdir())


def test_a_command_of_several_tables_has_one_place(tmp_path: Path) -> None:
    shown = [
        dry_run(table_of('pp-nas', name), 'digits', tmp_path, ROOT) for name in ('I', 'II', 'VIII')
    ]
    one, two, eight = ({shlex.join(words) for words in commands} for commands in shown)
    assert len(one & two) == 5 and len(one & eight) == 3


def test_a_report_shows_what_was_measured_earlier(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call('paper.py', 'pp-nas', 'ii', '--report', '--work-dir', tmp_path) == 0
    out = capsys.readouterr().out
    assert 'accuracy/top1 99.44 ± 0.28 (digits, seeds 0 to 4; docs/results/digits.md)' in out
    assert 'C10 3.69, C100 17.69' in out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['ppnas'], "unknown paper 'ppnas'; did you mean 'pp-nas'?"),
        (['pp-nas', 'VIIII'], "unknown table of pp-nas: 'VIIII'; did you mean 'VIII'?"),
        (['cdarts', '2'], "unknown scale of cdarts, Table 2: 'digits'; it has: cifar10-20k, full"),
        (['pp-nas', 'II', '--scale', 'ful'], "did you mean 'full'?"),
    ],
)
def test_a_wrong_name_is_met_with_the_right_ones(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call('paper.py', *words) == 2
    assert message in capsys.readouterr().err


def test_names_of_tables_may_be_written_out() -> None:
    for name in ('Fig6', 'fig. 6', 'Figure 6'):
        assert load_paper('se-nas').table(name).label == 'se-nas, Figure 6'


FAKE = """import json, sys, pathlib
words = sys.argv
folder = pathlib.Path(words[words.index('--work-dir') + 1])
with open('started', 'a') as file:
    file.write(' '.join(words[1:]) + '\\n')
if words[1] == 'fails' and not pathlib.Path('mended').exists():
    sys.exit('error: ValueError: a made-up fault')
if words[1] == 'finds-nothing':
    sys.exit('error: DegenerateArchitectureError: no node keeps an input')
seed = int(words[words.index('--seed') + 1])
(folder / 'result.json').write_text(json.dumps({'metrics': {'accuracy/top1': 90.0 + seed}}))
"""
MADE_UP = """
schema: 1
title: A made-up paper
tables:
  I:
    title: A made-up table
    columns: [C10]
    costs: {digits: seconds}
    seeds: {digits: [0, 1]}
    prepare: {digits: [{command: tools/make.py made, makes: made}]}
    rows:
      good:
        paper: {C10: '9.50'}
        digits: [{command: tools/train.py works, measure: {C10: error/top1}}]
      bad:
        paper: {C10: '7'}
        digits: [{command: tools/train.py fails, measure: accuracy/top1}]
      empty:
        paper: {C10: Fail}
        digits: [{command: tools/search.py finds-nothing, measure: accuracy/top1, seeds: [3]}]
      shared:
        paper: {}
        digits: [{command: tools/train.py works, measure: accuracy/top1, seeds: [1]}]
"""


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperTable:
    (tmp_path / 'tools').mkdir()
    for name in ('train', 'search'):
        (tmp_path / f'tools/{name}.py').write_text(FAKE)
    (tmp_path / 'tools/make.py').write_text('import sys; open(sys.argv[1], "x")')
    (tmp_path / 'made-up.yml').write_text(MADE_UP)
    monkeypatch.chdir(tmp_path)
    return load_paper('made-up', tmp_path).tables['I']


def started() -> list[str]:
    return [' '.join(line.split()[:3]) for line in Path('started').read_text().splitlines()]


def test_a_run_names_what_failed_and_repeats_only_that(made_up: PaperTable, tmp_path: Path) -> None:
    work = tmp_path / 'work'
    assert len(dry_run(made_up, 'digits', work, tmp_path)) == 6  # one is shared, one prepares
    with pytest.raises(JobError, match=r"row 'bad', python tools/train.py fails --seed 0 .*fault"):
        run_table(made_up, 'digits', work, tmp_path)
    first = [f'{what} --seed {seed}' for what in ('works', 'fails') for seed in (0, 1)]
    first.append('finds-nothing --seed 3')
    assert started() == first and Path('made').is_file()
    found = measured(made_up, work)
    assert found['good']['digits']['C10']['values'] == [10.0, 9.0]
    assert found['empty']['digits']['accuracy/top1']['failed'] == 1
    assert found['shared']['digits']['accuracy/top1']['values'] == [91.0]
    assert 'bad' not in found
    Path('mended').touch()
    run_table(made_up, 'digits', work, tmp_path)
    assert started() == [*first, 'fails --seed 0', 'fails --seed 1']
    text = table_text(made_up, 'digits', measured(made_up, work))
    assert 'C10 9.50 ± 0.50 (digits, seeds 0,1)' in text
    assert 'accuracy/top1 90.50 ± 0.50 (digits, seeds 0,1)' in text
    assert 'accuracy/top1 Fail (digits, seeds 3)' in text
    run_table(made_up, 'digits', work, tmp_path)
    assert len(started()) == 7


@pytest.mark.parametrize(
    ('measure', 'error', 'words'),
    [
        ('table:nasbench201/cifar10-test', TableError, 'no nasbench201 table at'),
        ('table:cifar10-test', MeasureError, 'expected SPACE/DATASET, a space of nasbench201'),
    ],
)
def test_a_table_is_looked_for_before_any_command(
    made_up: PaperTable, tmp_path: Path, measure: str, error: type, words: str
) -> None:
    text = MADE_UP.replace('measure: accuracy/top1, seeds: [1]', f"measure: '{measure}'")
    (tmp_path / 'made-up.yml').write_text(text)
    table = load_paper('made-up', tmp_path).tables['I']
    with pytest.raises(error, match=words):
        run_table(table, 'digits', tmp_path / 'work', tmp_path)
    assert not Path('started').exists() and not Path('made').exists()


def test_what_cannot_be_prepared_is_named(made_up: PaperTable, tmp_path: Path) -> None:
    Path('tools/make.py').write_text('raise SystemExit("error: no room")')
    with pytest.raises(JobError, match=r'python tools/make.py made, before the rows: error: no ro'):
        run_table(made_up, 'digits', tmp_path / 'work', tmp_path)
    assert not Path('started').exists()


def test_commands_name_the_package_where_the_folder_has_none(
    made_up: PaperTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (_, first, *_), *_ = dry_run(made_up, 'digits', Path('work'), tmp_path)
    assert first == str(tmp_path / 'tools/make.py')
    text = commands_text(made_up, 'digits', [['python', 'a b']])
    assert text == "# made-up, Table I: A made-up table; scale digits\npython 'a b'"


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("paper: {C10: '7'}", 'paper: {C10: 7}', 'rows.bad.paper.C10: expected the number in quot'),
        ("paper: {C10: '7'}", "paper: {C11: '7'}", 'rows.bad.paper: expected one of'),
        ('measure: {C10: error', 'measure: {C20: error', r'good.digits\[0\].measure: expected one'),
        ('tools/train.py fails', 'train.py fails', r'bad.digits\[0\].command: expected the words'),
        ('costs: {digits: seconds}', 'costs: {digits: }', r'good.digits\[0\].cost'),
        ('costs: {digits: seconds}', 'costs: {digit: x}', 'tables.I.costs: expected one of'),
        ('digits: [{command: tools/train.py fails', 'digit: [{command: x', "unknown key 'digit'"),
        ('schema: 1', 'schema: 2', 'schema: expected 1'),
    ],
)
def test_a_wrong_file_is_refused_by_key(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert MADE_UP.count(old) == 1
    (tmp_path / 'made-up.yml').write_text(MADE_UP.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_paper('made-up', tmp_path)


def test_a_label_twice_is_refused(tmp_path: Path) -> None:
    twice = 'measure: accuracy/top1}, {command: tools/train.py again, measure: accuracy/top1}]'
    text = MADE_UP.replace('fails, measure: accuracy/top1}]', f'fails, {twice}')
    (tmp_path / 'made-up.yml').write_text(text)
    with pytest.raises(ConfigError, match='each measure once'):
        load_paper('made-up', tmp_path)


def test_measures_are_read_where_the_tools_write_them(tmp_path: Path) -> None:
    derived = {'metrics': {'accuracy/top1': 80.0}}
    write_json(tmp_path / 'search.json', {'result': {'derived': derived}})
    assert read_measure('accuracy/top1', tmp_path) == [80.0]
    retrained = {'metrics': {'accuracy/top1': 90.0, 'coco/bbox_mAP': 0.5}}
    write_json(tmp_path / 'retrain/result.json', retrained)
    assert read_measure('accuracy/top1', tmp_path) == [90.0]
    assert read_measure('error/top1', tmp_path) == [10.0]
    assert read_measure('derived:accuracy/top1', tmp_path) == [80.0]
    assert read_measure('100*coco/bbox_mAP', tmp_path) == [50.0]
    with pytest.raises(MeasureError, match='no mIoU; it has measured accuracy/top1'):
        read_measure('mIoU', tmp_path)
    (tmp_path / 'r.json').write_text('{"results": [{"n": "a", "v": 1}, {"n": "b", "v": [2, 3]}]}')
    assert read_measure('r.json#results#b#v', tmp_path) == [2.0, 3.0]
    seeds = '{"3": {"v": 1.5}, "0": {"v": 0.5}}'
    (tmp_path / 's.json').write_text(f'{{"all": {seeds}, "none": {{}}, "failed": {{"0": {{}}}}}}')
    assert read_measure('s.json#all#*#v', tmp_path) == [1.5, 0.5]
    (tmp_path / 'f.json').write_text('{"all": {"0": {"v": 1.5}, "1": {"failed": "nothing"}}}')
    good, bad = read_measure('f.json#all#*#v', tmp_path)
    assert good == 1.5 and math.isnan(bad)
    for wrong in (
        'r.json#results#c', 'r.json#result', 'r.json#results#a#n', 's.json#none#*#v',
        's.json#failed#*#v', 's.json#all#3#v#*',
    ):  # fmt: skip
        with pytest.raises(MeasureError):
            read_measure(wrong, tmp_path)


@pytest.mark.parametrize(('name', 'table'), TABLES)
def test_results_are_looked_up_in_known_tables(name: str, table: str) -> None:
    runs = [run for row in table_of(name, table).rows for runs in row.runs.values() for run in runs]
    for measure in (text for run in runs for text in run.measures.values()):
        if measure.startswith('table:'):
            space, _, dataset = measure.removeprefix('table:').partition('/')
            assert space in BENCHMARKS and dataset.endswith('-test')


def test_a_found_cell_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = '|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|'
    data = tmp_path / 'data/nasbench201'
    data.mkdir(parents=True)
    head = 'ArchitectureString,CIFAR10TestAccuracy200Epochs'
    (data / 'nats_bench_tss_200ep.csv').write_text(f'{head}\n{cell},91.5\n')
    from ppnas_mm.tables import NASBench201Table

    NASBench201Table.decode(cell).save(tmp_path / 'genotype.json')
    monkeypatch.chdir(tmp_path)
    assert read_measure('table:nasbench201/cifar10-test', tmp_path) == [91.5]
    short = f'arch,cifar10-test\n{cell},81.5\n'
    (data / 'nats_bench_tss_200ep.csv').unlink()
    (data / 'nb201_12epoch_accs.csv').write_text(short)
    with pytest.raises(TableError, match=r'folder with nats_bench_tss_200ep\.csv\[\.gz\] \('):
        read_measure('table:nasbench201/cifar10-test', tmp_path)


def test_a_summary_counts_failures() -> None:
    assert summary([1.5, 2.5], 0) == '2.00 ± 0.50'
    assert summary([2.5], 2) == '2.50, Fail: 2'
    assert summary([], 1) == 'Fail'


def test_a_paper_without_the_table_says_which_it_has() -> None:
    with pytest.raises(ConfigError, match='it has: I, II, III, V'):
        Paper('eoinas', 'x', load_paper('eoinas').tables).table('IV')
