"""Configs in YAML and JSON are data: they name registered classes and values, and run nothing.

A ``.py`` config is a program; these are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..utils.doors import LIBRARIES, RefusedFileError, read_yaml

SUFFIXES = ('.yaml', '.yml', '.json')
SCOPES = (*LIBRARIES, 'ppnas_mm')
EVALUATED = ('type', 'dtype', 'warp_mode', 'op', 'search_op', 'ops')
"""Keys whose strings the libraries pass to ``eval`` or to an import."""


def is_data(path: str | Path) -> bool:
    """Whether a config is data."""
    return Path(path).suffix in SUFFIXES


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding='utf-8')
        data = (
            json.loads(text) if path.suffix == '.json' else read_yaml(text, str(path), unique=False)
        )
    except FileNotFoundError:
        raise RefusedFileError(f'_base_ {path}: no such file') from None
    except RecursionError:
        raise RefusedFileError(f'{path}: nested too deeply') from None
    except ValueError as error:
        known = isinstance(error, RefusedFileError)
        raise RefusedFileError(str(error) if known else f'{path}: not JSON: {error}') from None
    if not isinstance(data, dict):
        raise RefusedFileError(f'{path}: expected a mapping of keys, got {type(data).__name__}')
    return data


def check_bases(path: Path, above: tuple[Path, ...] = ()) -> None:
    """Check that a data config inherits from data configs only, before mmengine reads anything.

    Raises:
        RefusedFileError: If a base is a program, or the bases form a cycle.
    """
    if path.resolve() in above:
        raise RefusedFileError(f'{path}: its _base_ files form a cycle')
    given = _read(path).get('_base_', [])
    for base in given if isinstance(given, list) else [given]:
        if not isinstance(base, str) or '::' in base or not is_data(base):
            raise RefusedFileError(
                f'_base_={base!r} of {path}: a data config inherits from {", ".join(SUFFIXES)} '
                'files only; a .py config may inherit from any'
            )
        check_bases(path.parent / base, (*above, path.resolve()))


def _entries(node: Any, where: str = '') -> Iterator[tuple[str, str, Any]]:
    """List the entries of a config: path, key and value."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            spot = f'{where}.{key}' if where else str(key)
            yield spot, str(key), value
            yield from _entries(value, spot)
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from _entries(value, f'{where}.{i}')


def check_values(config: Mapping[str, Any]) -> None:
    """Check that no value of a data config runs as code or imports a module.

    Raises:
        RefusedFileError: If one does; the message names the key.
    """
    only = 'in a .py config only'
    if config.get('custom_imports'):
        raise RefusedFileError(f'custom_imports: it imports modules, which is allowed {only}')
    for where, key, value in _entries(config):
        if key == 'trust_remote_code' and value:
            raise RefusedFileError(f'{where}: it runs downloaded code, which is allowed {only}')
        if key in ('_scope_', 'default_scope') and value is not None and value not in SCOPES:
            raise RefusedFileError(f'{where}={value!r}: expected one of {list(SCOPES)}')
        words = value if isinstance(value, (list, tuple)) else [value]
        for word in words if key in EVALUATED else ():
            if isinstance(word, str) and not re.fullmatch(r'\w+(\.\w+)*', word):
                raise RefusedFileError(
                    f'{where}={word!r:.80}: expected a name; code is allowed {only}'
                )
