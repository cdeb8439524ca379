"""The rooms of the tests, and which of their files `make test-fast` runs."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOMS = sorted({path.parent.name for path in TESTS.glob('*/test_*.py')})
"""Folders with tests: the marks of their tests."""
JOINED = {'algorithms': 'search', 'engine': 'search'}
"""A mark that rooms share."""


def marks(path: Path) -> list[str]:
    """Marks of the tests of a file: its room, what its room shares with others, ``fast``."""
    room = path.parent.name
    found = [room, JOINED[room]] if room in JOINED else [room]
    return [*found, 'fast'] if path.name in FAST.get(room, ()) else found


FAST = {
    'algorithms': ('test_importance.py', 'test_limited.py'),
}
"""Files of each room that are quick for what they check: about 100 CPU seconds in all."""
