"""Checks of JSON that a stranger may have written (standard library only).

Each check returns the value that it was given, or raises :class:`SchemaError`: one line with the
path of the key, what was expected there, and what was found.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Collection, Mapping
from typing import Any, NoReturn


class SchemaError(ValueError):
    """JSON of another form; the message names the key, what is wrong and what is right."""


def fail(where: str, right: str, value: Any) -> NoReturn:
    """Raise :class:`SchemaError`: ``right`` was expected at ``where``, not ``value``."""
    try:
        found = repr(value)
    except RecursionError:
        found = type(value).__name__
    raise SchemaError(f'{where}: expected {right}, got {found:.120}')


def mapping(
    value: Any, where: str, required: Collection[str] = (), optional: Collection[str] = ()
) -> dict[str, Any]:
    """Check an object and its keys; without ``required`` it may have any.

    Returns:
        A plain dict.
    """
    if not isinstance(value, Mapping):
        fail(where, 'an object', value)
    if required:
        known = [*required, *optional]
        for key in sorted(map(str, value.keys() - set(known))):
            close = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean {close[0]!r}?' if close else f'known: {", ".join(known)}'
            raise SchemaError(f'{where}: unknown key {key!r:.60}; {hint}')
        for key in required:
            if key not in value:
                raise SchemaError(f'{where}: missing key {key!r}; expected {", ".join(required)}')
    return dict(value)


def sequence(value: Any, where: str, low: int = 0, high: int | None = None) -> list:
    """Check a list and its length."""
    if not isinstance(value, (list, tuple)):
        fail(where, 'a list', value)
    integer(len(value), f'{where} (length)', low, high)
    return list(value)


def integer(value: Any, where: str, low: int = 0, high: int | None = None) -> int:
    """Check an integer, ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int):
        fail(where, 'an integer', value)
    if value < low or (high is not None and value > high):
        raise SchemaError(f'{where}: {value} is outside {low}..{"" if high is None else high}')
    return value


def number(value: Any, where: str, low: float = -math.inf) -> float:
    """Check a finite number, from ``low``."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < low:
        fail(where, 'a finite number' + ('' if low == -math.inf else f' from {low}'), value)
    return value


def text(value: Any, where: str, right: str = 'a line of text') -> str:
    """Check a line of printable text that is not empty."""
    if not (isinstance(value, str) and value.strip() and value.isprintable()):
        fail(where, right, value)
    return value


def version(value: Any, where: str, known: int) -> int:
    """Check the version of a form: this release reads ``known``."""
    if type(value) is not int or value != known:
        fail(where, f'{known}, which this release reads', value)
    return value


def one_of(value: Any, where: str, known: Collection[str]) -> str:
    """Check a name of some."""
    if not isinstance(value, str) or value not in known:
        fail(where, f'one of {sorted(known)}', value)
    return value


def plain(value: Any, where: str, levels: int = 16) -> Any:
    """Check that a value is plain JSON, finite and not nested any deeper."""
    try:
        json.dumps(value, allow_nan=False)
        if not _shallow(value, levels):
            raise ValueError(f'more than {levels} levels deep')
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f'{where}: not plain JSON: {error}') from None
    return value


def _shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, (Mapping, list, tuple)):
        return True
    children = value.values() if isinstance(value, Mapping) else value
    return levels > 0 and all(_shallow(child, levels - 1) for child in children)


def parse(content: str | bytes) -> Any:
    """Read JSON text; a key given twice is refused."""
    try:
        return json.loads(content, object_pairs_hook=_unique)
    except SchemaError:
        raise
    except (ValueError, RecursionError) as error:
        raise SchemaError(f'not valid JSON: {error}') from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise SchemaError(f'a key is given twice: {twice!r:.60}')
    return data
