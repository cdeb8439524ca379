"""The index of the model zoo: which weights exist, where they are and their checksums.

``model_zoo/index.json`` is read as untrusted data: every key is checked, and no name in it can lead
out of its folder.  Only the standard library is needed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ..genotype import Genotype, GenotypeError, published
from ..utils import schema
from ..utils.files import write_atomic
from ..utils.schema import SchemaError

SCHEMA = 1
SUFFIXES = ('.safetensors', '.pth')
NAME = re.compile(r'[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*')
DIGEST = re.compile(r'[0-9a-f]{64}')
PART = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*')


class ZooError(RuntimeError):
    """An invalid index, an unknown name, or weights that cannot be fetched."""


@dataclass(frozen=True)
class Entry:
    """One set of weights that was trained and tested by this project.

    Args:
        name: ``arch.tag``, e.g. ``pp_resnet20.digits``.
        config: Config of the model, relative to the folder above the index.
        genotype: Published name, or a file relative to the index.
        genotype_hash: SHA-256 of the architecture (``Genotype.hash``).
        urls: Where the file lies, best first: relative to the index, ``file://``, ``https://`` or
            ``http://``.
        size: Size of the file in bytes.
        sha256: SHA-256 of the file, 64 hex digits.
        input_size: Channels, height and width that the metric was measured with.
        normalisation: ``mean`` and ``std`` of each channel, in units of the 8-bit input.
        classes: Names of the classes, in the order of the outputs.
        metric: ``name``, ``value`` and the ``dataset`` that it was measured on.
        source: The log or command that made and measured the weights.
        licence: SPDX identifier.
    """

    name: str
    config: str
    genotype: str
    genotype_hash: str
    urls: tuple[str, ...]
    size: int
    sha256: str
    input_size: tuple[int, ...]
    normalisation: Mapping[str, tuple[float, ...]]
    classes: tuple[str, ...]
    metric: Mapping[str, Any]
    source: str
    licence: str

    @property
    def file_name(self) -> str:
        """Name of the file in a cache or mirror; other weights have another name."""
        return f'{self.name}-{self.sha256[:8]}{PurePosixPath(urlsplit(self.urls[0]).path).suffix}'


KEYS = tuple(field.name for field in fields(Entry))


def index_path() -> Path:
    """Return the path of the index: in the installed package, else in the repository."""
    package = Path(__file__).parents[1]
    installed = package / '.mim' / 'model_zoo' / 'index.json'
    return installed if installed.is_file() else package.parent / 'model_zoo' / 'index.json'


def is_inside(path: str) -> bool:
    """Whether a relative name stays inside its folder."""
    return all(PART.fullmatch(part) for part in path.split('/'))


def _is_place(url: Any) -> bool:
    if not (isinstance(url, str) and url.strip() and url.isprintable()):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if PurePosixPath(parts.path).suffix not in SUFFIXES:
        return False
    if parts.scheme in ('http', 'https'):
        return bool(parts.hostname) and '@' not in parts.netloc
    if parts.scheme == 'file':
        return not parts.netloc and parts.path[:1] == '/' and '..' not in parts.path.split('/')
    return is_inside(url)


def _is_config(path: str) -> bool:
    return is_inside(path) and path.endswith('.py')


def _check_files(where: str, data: Mapping[str, Any]) -> None:
    inside = {
        'config': (_is_config, 'a relative path like configs/.../NAME.py, without ..'),
        'genotype': (is_inside, 'a published name or a relative path, without ..'),
    }
    for key, (good, right) in inside.items():
        if not good(schema.text(data[key], f'{where}: {key}', right)):
            schema.fail(f'{where}: {key}', right, data[key])
    urls = data['urls']
    if not (isinstance(urls, (list, tuple)) and urls):
        schema.fail(f'{where}: urls', 'a list with at least one place', urls)
    for url in urls:
        if not _is_place(url):
            right = 'https://, http://, file:///... or a relative path without .., that ends in '
            schema.fail(f'{where}: urls', right + ' or '.join(SUFFIXES), url)
    if len({PurePosixPath(urlsplit(url).path).suffix for url in urls}) > 1:
        schema.fail(f'{where}: urls', 'files of one kind', urls)
    if type(data['size']) is not int or data['size'] < 1:
        schema.fail(f'{where}: size', 'a number of bytes', data['size'])
    for key in ('sha256', 'genotype_hash'):
        if not (isinstance(data[key], str) and DIGEST.fullmatch(data[key])):
            schema.fail(f'{where}: {key}', '64 hex digits', data[key])


def _check_use(where: str, data: Mapping[str, Any]) -> None:
    size, classes, metric = data['input_size'], data['classes'], data['metric']
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
    for name in schema.sequence(classes, f'{where}: classes'):
        schema.text(name, f'{where}: classes')
    if not classes or len(set(classes)) < len(classes):
        schema.fail(f'{where}: classes', 'a list of different names', classes)
    schema.mapping(metric, f'{where}: metric', ('name', 'value', 'dataset'))
    schema.number(metric['value'], f'{where}: metric.value')
    texts = {'metric.name': metric['name'], 'metric.dataset': metric['dataset']}
    for key, line in {**texts, 'source': data['source'], 'licence': data['licence']}.items():
        schema.text(line, f'{where}: {key}')


def parse_entry(data: Any, where: str = 'entry') -> Entry:
    """Check one entry of an index.

    Raises:
        ZooError: If it is wrong; the message names entry, key and what is expected.
    """
    try:
        name = schema.mapping(data, where).get('name')
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            schema.fail(f'{where}: name', 'arch.tag of a-z, 0-9, _ and -', name)
        where = f'{where} {name}'
        schema.mapping(data, where, KEYS)
        _check_files(where, data)
        _check_use(where, data)
    except SchemaError as error:
        raise ZooError(str(error)) from None
    frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    frozen['normalisation'] = {k: tuple(v) for k, v in data['normalisation'].items()}
    return Entry(**frozen)


def load_index(path: Path | None = None) -> dict[str, Entry]:
    """Read an index (default: the one of this package) as a dict from name to entry.

    Raises:
        ZooError: If it cannot be read or is wrong; the message names entry and key.
    """
    path = path or index_path()
    try:
        data = schema.mapping(schema.parse(path.read_bytes()), 'file', ('schema', 'entries'))
        schema.version(data['schema'], 'schema', SCHEMA)
        items = schema.sequence(data['entries'], 'entries')
    except (OSError, SchemaError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise ZooError(f'index {path}: cannot be read: {reason}') from None
    entries: dict[str, Entry] = {}
    for place, item in enumerate(items):
        entry = parse_entry(item, f'index {path}: entry {place}')
        if entry.name in entries:
            raise ZooError(f'index {path}: entry {place} {entry.name}: the name is given twice')
        entries[entry.name] = entry
    return entries


def resolve(index: Path, relative: str) -> Path:
    """Return a file named in an index; links must not lead out of the folder either.

    Raises:
        ZooError: If it is outside the folder.
    """
    folder = index.parent.resolve()
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder):
        raise ZooError(f'index {index}: {relative} leads out of {folder}')
    return path


def load_genotype(entry: Entry, index: Path | None = None) -> Genotype:
    """Return the architecture of an entry.

    Raises:
        ZooError: If it cannot be read, or is not the one of the entry.
    """
    index = index or index_path()
    known = entry.genotype in published()
    try:
        genotype = Genotype.load(entry.genotype if known else resolve(index, entry.genotype))
    except GenotypeError as error:
        raise ZooError(f'{entry.name}: genotype: {error}') from None
    if genotype.hash != entry.genotype_hash:
        raise ZooError(
            f'{entry.name}: genotype: expected the architecture with hash {entry.genotype_hash}, '
            f'got {genotype.hash}'
        )
    return genotype


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def defect(path: Path, size: int, sha256: str) -> str:
    """Return what is wrong with a weight file; empty if nothing is."""
    if not path.is_file():
        return 'no such file'
    found = path.stat().st_size
    if found != size:
        return f'{found} bytes instead of {size}'
    digest = file_hash(path)
    return f'SHA-256 is {digest}, not {sha256}' if digest != sha256 else ''


def check_entry(entry: Entry, index: Path) -> None:
    """Check an entry against its config, its genotype and the files beside the index.

    Raises:
        ZooError: If one of them is missing or differs from the entry.
    """
    if not (index.parent.parent / entry.config).is_file():
        raise ZooError(f'{entry.name}: config: no file {index.parent.parent / entry.config}')
    load_genotype(entry, index)
    for url in entry.urls:
        if not urlsplit(url).scheme:
            wrong = defect(resolve(index, url), entry.size, entry.sha256)
            if wrong:
                raise ZooError(f'{entry.name}: {url}: {wrong}')


def add_entry(path: Path, entry: Mapping[str, Any], replace: bool = False) -> Entry:
    """Check an entry, add it to an index (created if missing), and write the index atomically.

    Args:
        path: ``model_zoo/index.json``.
        entry: A dict with all keys of :class:`Entry`.
        replace: Whether an entry of the same name may be replaced.

    Raises:
        ZooError: If the entry is wrong, or its name is taken.
    """
    path = Path(path)
    entries = load_index(path) if path.exists() else {}
    added = parse_entry(entry)
    if added.name in entries and not replace:
        raise ZooError(
            f'index {path}: {added.name} exists already; replace=True replaces the entry'
        )
    check_entry(added, path)
    entries[added.name] = added
    write_atomic(path, _to_json([entries[name] for name in sorted(entries)]).encode())
    return added


def _to_json(entries: Sequence[Entry]) -> str:
    """One line for each key, so that changes are easy to review."""
    items = [
        ',\n'.join(f'      "{key}": {json.dumps(value)}' for key, value in asdict(entry).items())
        for entry in entries
    ]
    objects = ',\n'.join(f'    {{\n{item}\n    }}' for item in items)
    return f'{{\n  "schema": {SCHEMA},\n  "entries": [\n{objects}\n  ]\n}}\n'
