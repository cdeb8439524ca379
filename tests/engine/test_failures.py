"""Searches that find no complete architecture: "Fail" in tables, means over the others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel
from tool import DIGITS, RETRAIN, TINY, TINY_TRAIN, call

from ppnas_mm.analysis.comparison import metrics_of, summary
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.engine.best_of_seeds import failure, keep_best
from ppnas_mm.utils.files import read_json, write_json
from ppnas_mm.utils.jobs import Jobs, NothingFoundError

# a threshold that the gates of some seeds pass in so few steps, and those of others do not
FAILS = 'model.threshold=0.99999'


def run(**metrics: float) -> dict[str, Any]:
    return {'metrics': metrics, 'parameters': 1000}


def row_of(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f'| {name} '))
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_means_and_tests_are_over_what_succeeded() -> None:
    one = [90.0, 92.0, 95.0, 91.0]
    two = [88.0, 91.5, None, 90.0]
    results = {
        'one': [run(**{'accuracy/top1': v}) for v in one],
        'two': [v and run(**{'accuracy/top1': v}) for v in two],
        'none': [None] * 4,
    }
    text = summary(results, 'accuracy/top1')
    _, mean, each, against, size = row_of(text, 'two')
    good = [88.0, 91.5, 90.0]
    assert mean == f'{np.mean(good):.2f} ± {np.std(good, ddof=1):.2f}'
    assert each == '88.00 91.50 Fail 90.00' and size == '1,000'
    pairs = np.array([90.0, 92.0, 91.0]), np.array(good)
    assert against == f'{(pairs[0] - pairs[1]).mean():+.2f} (p = {ttest_rel(*pairs).pvalue:.2f})'
    assert row_of(text, 'none')[1:] == ['Fail', 'Fail Fail Fail Fail', '-', '-']
    errors = summary(results, 'error/top1')
    assert row_of(errors, 'one')[1].startswith('8.00 ± ')


def test_metrics_are_named_by_patterns() -> None:
    known = {'coco/bbox_mAP': 0.4, 'coco/bbox_mAP_s': 0.2, 'coco/cat_precision': 0.3}
    results = {'a': [None, run(**known, **{'accuracy/top1': 90.0})]}
    find = metrics_of
    assert find(results, ['coco/bbox_mAP*', 'error/top1']) == [*list(known)[:2], 'error/top1']
    assert find(results, ['coco/*_precision', 'coco/*']) == [list(known)[2], *list(known)[:2]]
    with pytest.raises(ConfigError, match=r"--metric x: the runs have \['coco/bbox_mAP'"):
        find(results, ['x'])
    assert find(results, []) == ['accuracy/top1'] == find({'a': [None]}, [])
    assert find({'a': [run(aAcc=90.0, mIoU=50.0)]}, []) == ['mIoU']
    assert find({'a': [run(mine=1.0)]}, []) == ['mine']
    shares = summary(results, 'coco/bbox_mAP')
    assert row_of(shares, 'a')[1:3] == ['0.400 ± nan', 'Fail 0.400']


def test_only_a_search_without_an_architecture_is_a_fail(tmp_path: Path) -> None:
    tool = tmp_path / 'tool.py'
    for line, kind in (
        ('error: DegenerateArchitectureError: stage1', NothingFoundError),
        ('error: ValueError: something', RuntimeError),
    ):
        tool.write_text(f'import sys\nprint({line!r})\nsys.exit(2)\n')
        with pytest.raises(kind, match=line.split(': ', 2)[2]) as caught:
            Jobs(1).run(False, tool, tmp_path / 'work')
        assert isinstance(caught.value, NothingFoundError) == (kind is NothingFoundError)


@pytest.fixture(scope='module')
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds, one of which finds nothing: its record is that of a failed search."""
    folder = tmp_path_factory.mktemp('seeds')
    options = ['--seeds', '0,1', '--work-dir', folder, '--cfg-options', *TINY]
    assert call('search.py', DIGITS, *options) == 0
    fails = ['--seed', 1, '--work-dir', folder / 'seed-1', '--cfg-options', *TINY, FAILS]
    assert call('search.py', DIGITS, *fails) == 2
    record = read_json(folder / 'seed-1/search.json')  # as if all had had that threshold
    record['settings'].pop('model.threshold')
    write_json(folder / 'seed-1/search.json', record)
    return folder


@pytest.mark.long
def test_the_best_of_the_others_is_kept(seeds: Path, capsys: pytest.CaptureFixture) -> None:
    assert not failure(seeds / 'seed-0')
    assert 'no input' in failure(seeds / 'seed-1')
    command = ['search.py', DIGITS, '--seeds', '0,1', '--resume', '--work-dir', seeds]
    capsys.readouterr()
    assert call(*command, '--cfg-options', *TINY) == 0
    out = capsys.readouterr().out
    assert '[1/2' not in out and '[2/2' not in out  # what must fail again is not repeated
    assert row_of(out, '1')[1:] == ['Fail', 'Fail'] and '| 0 (best)' in out
    assert 'Warning: no architecture from seed 1 (' in out
    about = json.loads((seeds / 'seeds.json').read_text())
    assert about['best'] == 0 and list(about['failed']) == ['1'] and len(about['seeds']) == 1
    with pytest.raises(RuntimeError, match='no seed found a complete architecture'):
        keep_best(seeds, {1: seeds / 'seed-1'})


@pytest.mark.long
def test_compare_goes_on_after_a_fail(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    small = tmp_path / 'small.py'
    from mmengine.config import Config

    config = Config.fromfile(RETRAIN)
    config.merge_from_dict({k: int(v) for k, v in (o.split('=') for o in TINY_TRAIN)})
    config.dump(small)
    command = ['compare.py', '--searches', DIGITS, '--retrain', small, '--seeds', 2]
    command += ['--work-dir', tmp_path / 'runs', '--cfg-options', *TINY, FAILS]
    for again in (False, True):
        assert call(*command, '--metric', 'accuracy/top1', 'error/top1') == 0
        out = capsys.readouterr().out
        assert ('[2/2' in out) == (not again)
        assert row_of(out, 'ppnas_digits')[1:3] == ['Fail', 'Fail Fail']
