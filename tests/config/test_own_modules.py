"""A config may import modules that lie in the folder where the tool is started."""

import sys
from pathlib import Path

import pytest
from tool import DIGITS, call

from ppnas_mm.config.load import load_config


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is not on Python's path."""
    monkeypatch.chdir(tmp_path)
    path = [entry for entry in sys.path if entry not in ('', str(tmp_path))]
    monkeypatch.setattr(sys, 'path', path)
    return tmp_path


def write_config(folder: Path, module: str) -> str:
    path = folder / 'own.py'
    path.write_text(f"_base_ = {DIGITS!r}\ncustom_imports = dict(imports=['{module}'])\n")
    return str(path)


def test_a_module_of_the_current_folder_is_imported(here: Path) -> None:
    (here / 'own_ops_of_a_test.py').write_text('VALUE = 5\n')
    load_config(write_config(here, 'own_ops_of_a_test'))
    assert sys.modules['own_ops_of_a_test'].VALUE == 5


def test_a_config_without_own_modules_leaves_the_path(here: Path) -> None:
    before = list(sys.path)
    load_config(DIGITS)
    assert sys.path == before


def test_a_missing_module_of_the_user_is_no_package(here: Path, capsys) -> None:
    (here / 'half_of_a_test.py').write_text('import mmpretrain_extras_of_a_test\n')
    config = write_config(here, 'no_ops_of_a_test.hooks')
    assert call('train.py', config, '--work-dir', here / 'work') == 2
    text = capsys.readouterr().err
    assert 'no_ops_of_a_test was looked for in the current folder, too' in text
    assert 'pip install' not in text
    config = write_config(here, 'half_of_a_test')  # found, but a library that it imports is not
    assert call('train.py', config, '--work-dir', here / 'work') == 2
    assert 'run: pip install mmpretrain_extras_of_a_test' in capsys.readouterr().err
