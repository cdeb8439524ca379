"""The entries of the model zoo: what they say, checked as if a stranger had written it.

``Made`` are weights that this project trained and tested (``model_zoo/index.json``); ``Published``
are those of a paper's authors (:mod:`.published`).  Only the standard library is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from ..utils import schema
from ..utils.schema import SchemaError

SCHEMA = 1
SUFFIXES = ('.safetensors', '.pth')
NAME = re.compile(r'[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*')
PART = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*')


class ZooError(RuntimeError):
    """An invalid index, an unknown name, or weights that cannot be fetched."""


@dataclass(frozen=True)
class Entry:
    """One set of weights: its network, what it takes and gives, and whose it is.

    Args:
        name: ``arch.tag``, e.g. ``pp_resnet20.digits``.
        config: Config of the model, relative to the folder above the index.
        genotype: Published name, or a file relative to the index; ``None``: a baseline.
        genotype_hash: SHA-256 of the architecture (``Genotype.hash``).
        input_size: Channels, height and width that the metric was measured with.
        normalisation: ``mean`` and ``std`` of each channel, in units of the 8-bit input.
        classes: Names of the classes, in the order of the outputs.
        metric: ``name``, ``value`` and the ``dataset`` that it was measured on.
        source: The log, command or repository that made the weights.
        licence: SPDX identifier.
    """

    name: str
    config: str
    genotype: str | None
    genotype_hash: str | None
    input_size: tuple[int, ...]
    normalisation: Mapping[str, tuple[float, ...]]
    classes: tuple[str, ...]
    metric: Mapping[str, Any]
    source: str
    licence: str
    kind: ClassVar[str] = ''
    """Whose weights they are, as lists and pages show it."""


AnyEntry = TypeVar('AnyEntry', bound=Entry)


@dataclass(frozen=True)
class Made(Entry):
    """Weights that this project trained and tested.

    Args:
        urls: Where the file lies, best first: relative to the index, ``file://``, ``https://`` or
            ``http://``.
        size: Size of the file in bytes.
        sha256: SHA-256 of the file, 64 hex digits.
    """

    urls: tuple[str, ...]
    size: int
    sha256: str
    kind: ClassVar[str] = 'made here'

    @property
    def file_name(self) -> str:
        """Name of the file in a cache or mirror; other weights have another name."""
        return f'{self.name}-{self.sha256[:8]}{PurePosixPath(urlsplit(self.urls[0]).path).suffix}'


KEYS = (
    *('name', 'config', 'genotype', 'genotype_hash', 'urls', 'size', 'sha256', 'input_size'),
    *('normalisation', 'classes', 'metric', 'source', 'licence'),
)
"""Of an entry in ``index.json``, in the order of the file."""


def is_inside(path: str) -> bool:
    """Whether a relative name stays inside its folder."""
    return all(PART.fullmatch(part) for part in path.split('/'))


def is_place(url: Any, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    """Whether a place is inside the folder or a URL without a password, and ends in a suffix."""
    if not (isinstance(url, str) and url.strip() and url.isprintable()):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if PurePosixPath(parts.path).suffix not in suffixes:
        return False
    if parts.scheme in ('http', 'https'):
        return bool(parts.hostname) and '@' not in parts.netloc
    if parts.scheme == 'file':
        return not parts.netloc and parts.path[:1] == '/' and '..' not in parts.path.split('/')
    return is_inside(url)


def _is_config(path: str) -> bool:
    return is_inside(path) and path.endswith('.py')


def check_network(where: str, data: Mapping[str, Any], baseline: bool = False) -> None:
    """Check config, genotype and its hash; a ``baseline`` may have none.

    Raises:
        SchemaError: If one is wrong.
    """
    inside = {
        'config': (_is_config, 'a relative path like configs/.../NAME.py, without ..'),
        'genotype': (is_inside, 'a published name or a relative path, without ..'),
    }
    if baseline and data['genotype'] is None and data['genotype_hash'] is None:
        del inside['genotype']
    for key, (good, right) in inside.items():
        if not good(schema.text(data[key], f'{where}: {key}', right)):
            schema.fail(f'{where}: {key}', right, data[key])
    if 'genotype' in inside:
        check_digits(where, data, 'genotype_hash')


def check_digits(where: str, data: Mapping[str, Any], key: str, count: int = 64) -> None:
    """Check a number of hex digits.

    Raises:
        SchemaError: If they are not.
    """
    if not (isinstance(data[key], str) and re.fullmatch(f'[0-9a-f]{{{count}}}', data[key])):
        schema.fail(f'{where}: {key}', f'{count} hex digits', data[key])


def _check_file(where: str, data: Mapping[str, Any]) -> None:
    urls = data['urls']
    if not (isinstance(urls, (list, tuple)) and urls):
        schema.fail(f'{where}: urls', 'a list with at least one place', urls)
    for url in urls:
        if not is_place(url):
            right = 'https://, http://, file:///... or a relative path without .., that ends in '
            schema.fail(f'{where}: urls', right + ' or '.join(SUFFIXES), url)
    if len({PurePosixPath(urlsplit(url).path).suffix for url in urls}) > 1:
        schema.fail(f'{where}: urls', 'files of one kind', urls)
    if type(data['size']) is not int or data['size'] < 1:
        schema.fail(f'{where}: size', 'a number of bytes', data['size'])
    check_digits(where, data, 'sha256')


def check_input(where: str, data: Mapping[str, Any]) -> None:
    """Check size and normalisation of the input.

    Raises:
        SchemaError: If one is wrong.
    """
    size = data['input_size']
    if not (isinstance(size, (list, tuple)) and [type(n) for n in size] == [int] * 3):
        schema.fail(f'{where}: input_size', '[channels, height, width]', size)
    for n in size:
        schema.integer(n, f'{where}: input_size: expected numbers from 1', 1)
    values = schema.mapping(data['normalisation'], f'{where}: normalisation', ('mean', 'std'))
    for key in ('mean', 'std'):
        spot = f'{where}: normalisation.{key}'
        if len(schema.sequence(values[key], spot)) != size[0]:
            schema.fail(spot, f'{size[0]} numbers', values[key])
        for value in values[key]:
            schema.number(value, spot)
    if min(values['std']) <= 0:
        schema.fail(f'{where}: normalisation.std', 'positive numbers', values['std'])


def _check_use(where: str, data: Mapping[str, Any]) -> None:
    classes, metric = data['classes'], data['metric']
    for name in schema.sequence(classes, f'{where}: classes'):
        schema.text(name, f'{where}: classes')
    if not classes or len(set(classes)) < len(classes):
        schema.fail(f'{where}: classes', 'a list of different names', classes)
    schema.mapping(metric, f'{where}: metric', ('name', 'value', 'dataset'))
    schema.number(metric['value'], f'{where}: metric.value')
    texts = {'metric.name': metric['name'], 'metric.dataset': metric['dataset']}
    for key, line in {**texts, 'source': data['source'], 'licence': data['licence']}.items():
        schema.text(line, f'{where}: {key}')


def check_name(data: Any, where: str) -> str:
    """Return ``where`` with the checked name of an entry.

    Raises:
        SchemaError: If it is wrong.
    """
    name = schema.mapping(data, where).get('name')
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        schema.fail(f'{where}: name', 'arch.tag of a-z, 0-9, _ and -', name)
    return f'{where} {name}'


def frozen(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an entry with tuples for lists."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return {**values, 'normalisation': {k: tuple(v) for k, v in data['normalisation'].items()}}


def parse_entry(data: Any, where: str = 'entry') -> Made:
    """Check one entry of ``index.json``.

    Raises:
        ZooError: If it is wrong; the message names entry, key and what is expected.
    """
    try:
        where = check_name(data, where)
        schema.mapping(data, where, KEYS)
        check_network(where, data)
        _check_file(where, data)
        check_input(where, data)
        _check_use(where, data)
    except SchemaError as error:
        raise ZooError(str(error)) from None
    return Made(**frozen(data))


def read_entries(path: Path, parse: Callable[[Any, str], AnyEntry]) -> dict[str, AnyEntry]:
    """Read a list of entries as a dict from name to entry.

    Args:
        path: The file.
        parse: Checks one entry; it takes its place in the file, too.

    Raises:
        ZooError: If it cannot be read or is wrong; the message names entry and key.
    """
    try:
        data = schema.mapping(schema.parse(path.read_bytes()), 'file', ('schema', 'entries'))
        schema.version(data['schema'], 'schema', SCHEMA)
        items = schema.sequence(data['entries'], 'entries')
    except (OSError, SchemaError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise ZooError(f'index {path}: cannot be read: {reason}') from None
    entries: dict[str, AnyEntry] = {}
    for place, item in enumerate(items):
        entry = parse(item, f'index {path}: entry {place}')
        if entry.name in entries:
            raise ZooError(f'index {path}: entry {place} {entry.name}: the name is given twice')
        entries[entry.name] = entry
    return entries
