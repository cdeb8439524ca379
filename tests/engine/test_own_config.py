"""The user's own files in a work dir stay as they are."""

from pathlib import Path

import pytest
from mmengine.config import Config
from tool import DIGITS, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm.engine.work_dir import put_aside

TRAINING = ROOT / 'configs/classification/pp-resnet20_digits.py'


def write_own(path: Path, base: Path) -> str:
    """Write a config with a note."""
    text = f'# my notes\n_base_ = {str(base)!r}\n'
    path.write_text(text)
    return text


@pytest.mark.parametrize('name', ['own.py', 'config.py'])
def test_a_training_leaves_its_own_config(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    text = write_own(path, TRAINING)
    for _ in range(2):
        options = ['--work-dir', tmp_path, '--cfg-options', *TINY_TRAIN]
        assert call('train.py', path, *options) == 0
        assert path.read_text() == text
        assert not (tmp_path / f'earlier_1/{name}').exists()
    whole = [Config.fromfile(p) for p in tmp_path.glob('2*.py')]
    assert whole and all(config.work_dir == str(tmp_path) for config in whole)
    assert (tmp_path / 'earlier_1/epoch_1.pth').is_file()


def test_a_search_leaves_its_own_config(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path, other = tmp_path / 'own.py', tmp_path / 'config.py'
    text = write_own(path, DIGITS)
    options = ['--cfg-options', *TINY]
    note = write_own(other, DIGITS)
    assert call('search.py', other, '--work-dir', tmp_path, *options) == 2
    assert f'{other} is in the way: a search writes' in capsys.readouterr().err
    assert other.read_text() == note and not list(tmp_path.glob('*.pth'))
    place = tmp_path / 'work'  # the name config.py alone is no problem
    assert call('search.py', other, '--work-dir', place, *options) == 0
    assert Config.fromfile(place / 'config.py').model.type == 'ImageClassifier'
    assert Config.fromfile(place / 'search_config.py').model.type == 'ppnas_mm.PPNAS'
    assert call('derive.py', place, '--out', tmp_path / 'derived') == 0
    other.unlink()
    for _ in range(2):
        assert call('search.py', path, '--work-dir', tmp_path, *options) == 0
        assert path.read_text() == text
    assert (tmp_path / 'earlier_1/config.py').is_file()  # that of the first search's network


def test_only_what_runs_write_is_moved(tmp_path: Path) -> None:
    mine = ('search.sh', 'search.py', 'genotype.txt', 'seeds.csv', 'config.py', 'notes.md')
    for name in (*mine, 'epoch_1.pth', 'result.json'):
        (tmp_path / name).write_text(name)
    put_aside(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*mine, 'earlier_1'])
    assert {p.name for p in (tmp_path / 'earlier_1').iterdir()} == {'epoch_1.pth', 'result.json'}
    (tmp_path / 'search.json').write_text('{}')
    put_aside(tmp_path)  # now the config is of a search
    assert {p.name for p in (tmp_path / 'earlier_2').iterdir()} == {'search.json', 'config.py'}
