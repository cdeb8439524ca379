"""docs/reference/faults.md names a test for each of its rows; the test of a full disk."""

import ast
import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tool import DIGITS, ROOT, TINY, call

from ppnas_mm.utils.files import write_atomic
from ppnas_mm.weights.checkpoint import load_checkpoint

PAGE = (ROOT / 'docs/reference/faults.md').read_text()
SECTIONS = ('Killed', 'Full disk', 'Damaged file', 'Edited config', 'Two runs')


def parsed(name: str) -> ast.Module:
    """The test file of a name, whatever its folder."""
    (path,) = (ROOT / 'tests').glob(f'*/{name}')
    return ast.parse(path.read_text())


def rows() -> list[list[str]]:
    """The rows of all tables, without heads and rules."""
    faults = PAGE.split('\n## Long runs')[0]  # what follows are measurements
    lines = [line for line in faults.splitlines() if line.startswith('| ')]
    cells = [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines]
    return [row for row in cells if row[0] != 'what happens' and set(row[0]) != {'-'}]


def test_every_row_names_a_test_that_is_there() -> None:
    assert re.findall(r'^## (.+)$', PAGE, re.M)[: len(SECTIONS)] == list(SECTIONS)
    assert len(rows()) > 30
    for row in rows():
        assert len(row) == 3, row
        file, name = row[2].strip('`').split('::')
        tree = parsed(file)
        assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, row


def test_every_test_of_these_files_is_in_a_row() -> None:
    """A fault that is mended and tested is told, too."""
    for file, inner in (('test_resume_settings.py', {'test_settings_are_what_a_run_reads'}),):
        tree = parsed(file)
        tests = {n.name for n in tree.body if getattr(n, 'name', '').startswith('test_')}
        told = {row[2].strip('`').split('::')[1] for row in rows()}
        assert tests - inner <= told


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, calls = tmp_path / 'x.json', os.fsync, []
    write_atomic(path, b'old')

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(OSError, match='No space left'):
            write_atomic(path, b'new')
    assert path.read_bytes() == b'old' and not list(tmp_path.glob('.*.tmp'))

    def fills_up(file: int) -> None:
        calls.append(file)
        if len(calls) > 12:
            full(file)
        real(file)

    monkeypatch.setattr(os, 'fsync', fills_up)
    run = ['search.py', DIGITS, '--work-dir', tmp_path / 'run', '--cfg-options', *TINY]
    assert call(*run) == 2
    assert 'No space left' in capsys.readouterr().err
    monkeypatch.undo()
    for checkpoint in (tmp_path / 'run').glob('epoch_*.pth'):
        load_checkpoint(checkpoint)
    assert list((tmp_path / 'run').glob('epoch_*.pth'))
    assert not list((tmp_path / 'run').glob('.*.tmp'))
