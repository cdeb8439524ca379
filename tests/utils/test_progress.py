"""Progress: a bar on a terminal, a few lines in a file."""

import io
import re
from typing import Any

import pytest

from ppnas_mm.utils import progress


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize('total', [1, 3, 10, 1000])
def test_a_file_gets_a_few_lines(total: int, capsys: Any) -> None:
    assert list(progress.tracked(range(total), 'models')) == list(range(total))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == min(total, 10)
    assert re.fullmatch(rf'{total} of {total} models, 0:00:00 left', lines[-1])
    done = [int(line.split()[0]) for line in lines]
    assert done == sorted(set(done))


def test_the_time_left_follows_from_the_time_spent(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of ten in 30 seconds: the other eight take 120."""
    bar = progress.Progress(10, 'searches')
    monkeypatch.setattr(bar.timer, 'since_start', lambda: 30.0)
    bar.update(2)
    assert capsys.readouterr().out == '2 of 10 searches, 0:02:00 left\n'


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(progress.sys, 'stdout', screen)
    assert list(progress.tracked('abc', 'models')) == ['a', 'b', 'c']
    assert screen.getvalue().count('\r') == 3 and screen.getvalue().endswith('\n')
    assert '3/3' in screen.getvalue()


def test_nothing_to_do_says_nothing(capsys: Any) -> None:
    assert list(progress.tracked([], 'models')) == []
    assert capsys.readouterr().out == ''
