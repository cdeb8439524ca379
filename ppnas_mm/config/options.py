"""``KEY=VALUE`` of the command line: read as mmengine reads it, and written so that it is kept."""

from __future__ import annotations

import ast
from typing import Any

from mmengine.config import DictAction

from .keys import ConfigError

BRACKETS = {'[': list, '(': tuple, '{': dict}


class Options(DictAction):
    """mmengine's action, with :func:`read_value` for the values.

    It also keeps the words as given, in ``<dest>_words``, for tools that run other tools.
    """

    _parse_iterable = staticmethod(lambda text: read_value(text))

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        """Add the options to those read before."""
        wrong = [word for word in values if '=' not in word]
        if wrong:
            parser.error(f'{option_string} {wrong[0]}: expected KEY=VALUE')
        name = f'{self.dest}_words'
        setattr(namespace, name, [*getattr(namespace, name, []), *values])
        try:
            super().__call__(parser, namespace, values, option_string)
        except ConfigError as error:
            parser.error(f'{option_string}: {error}')


def read_value(text: str) -> Any:
    """Return the value of an option.

    Lists, tuples and dicts in Python's notation are read as such, so they may hold strings with
    blanks, and dicts. A single string keeps its blanks; mmengine removes them. All else is read by
    mmengine: ``1e-3``, ``true``, ``None``, ``1,2``, ``[a,b]``.

    Raises:
        ConfigError: If its brackets do not close.
    """
    kind = BRACKETS.get(text.strip()[:1])
    if kind:
        try:
            found = ast.literal_eval(text.strip())
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            found = None
        if type(found) is kind:
            return found
    plain = text.strip('\'" ')
    single = ',' not in plain and plain[:1] not in BRACKETS
    if single and ' ' in plain:
        return plain
    try:
        return DictAction._parse_iterable(plain)
    except AssertionError:
        raise ConfigError(f'{text!r:.200}: its brackets do not close') from None


def option_word(key: str, value: Any) -> str:
    """Return ``KEY=VALUE``, which is read as the same value.

    Raises:
        ConfigError: If no word is, such as for the string ``'1'``.
    """
    word = value if isinstance(value, str) else repr(value)
    found = read_value(word)
    if type(found) is not type(value) or found != value:
        raise ConfigError(
            f'{value!r:.200} cannot be an option of a command; write a config with it'
        )
    return f'{key}={word}'
