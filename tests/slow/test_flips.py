"""Of 200 single bits that flip in each kind of file, none changes a number without a word."""

from pathlib import Path

import pytest
from finished import search  # noqa: F401
from flipping import READERS, flips, json_numbers


@pytest.mark.parametrize('pattern', READERS)
def test_two_hundred_flips(search: Path, pattern: str) -> None:
    path = sorted(search.glob(pattern))[-1]
    counts = flips(path, READERS[pattern], 200, seed=1)
    print(f'{path.name}: {counts}')
    assert counts['missed'] == 0 and sum(counts.values()) == 200
    assert path.suffix != '.json' or json_numbers(path)
