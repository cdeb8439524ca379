"""The index of the model zoo: which weights exist, where they are and their checksums.

``model_zoo/index.json`` is read as untrusted data: every key is checked, and no name in it can lead
out of its folder.  Only the standard library is needed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ..genotype import Genotype, GenotypeError, published
from ..utils.files import write_atomic

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


def _fail(where: str, key: str, value: Any, right: str) -> NoReturn:
    raise ZooError(f'{where}: {key}: expected {right}, got {value!r:.120}')


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_list(value: Any, check: Any, least: int = 1) -> bool:
    return isinstance(value, (list, tuple)) and len(value) >= least and all(map(check, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def is_inside(path: str) -> bool:
    """Whether a relative name stays inside its folder."""
    return all(PART.fullmatch(part) for part in path.split('/'))


def _is_place(url: Any) -> bool:
    if not _is_text(url):
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


def _check_files(where: str, data: Mapping[str, Any]) -> None:
    config, genotype, urls = data['config'], data['genotype'], data['urls']
    if not (_is_text(config) and is_inside(config) and config.endswith('.py')):
        _fail(where, 'config', config, 'a relative path like configs/.../NAME.py, without ..')
    if not (_is_text(genotype) and is_inside(genotype)):
        _fail(where, 'genotype', genotype, 'a published name or a relative path, without ..')
    if not _is_list(urls, lambda _: True):
        _fail(where, 'urls', urls, 'a list with at least one place')
    for url in urls:
        if not _is_place(url):
            right = 'https://, http://, file:///... or a relative path without .., that ends in '
            _fail(where, 'urls', url, right + ' or '.join(SUFFIXES))
    if len({PurePosixPath(urlsplit(url).path).suffix for url in urls}) > 1:
        _fail(where, 'urls', urls, 'files of one kind')
    if type(data['size']) is not int or data['size'] < 1:
        _fail(where, 'size', data['size'], 'a number of bytes')
    for key in ('sha256', 'genotype_hash'):
        if not (isinstance(data[key], str) and DIGEST.fullmatch(data[key])):
            _fail(where, key, data[key], '64 hex digits')


def _check_use(where: str, data: Mapping[str, Any]) -> None:
    size, values, metric = data['input_size'], data['normalisation'], data['metric']
    if not (_is_list(size, lambda n: type(n) is int and n > 0) and len(size) == 3):
        _fail(where, 'input_size', size, '[channels, height, width]')
    if not (isinstance(values, Mapping) and set(values) == {'mean', 'std'}):
        _fail(where, 'normalisation', values, 'the keys mean and std')
    for key in ('mean', 'std'):
        if not (_is_list(values[key], _is_number) and len(values[key]) == size[0]):
            _fail(where, f'normalisation.{key}', values[key], f'{size[0]} numbers')
    if min(values['std']) <= 0:
        _fail(where, 'normalisation.std', values['std'], 'positive numbers')
    classes = data['classes']
    if not _is_list(classes, _is_text) or len(set(classes)) < len(classes):
        _fail(where, 'classes', classes, 'a list of different names')
    if not (isinstance(metric, Mapping) and set(metric) == {'name', 'value', 'dataset'}):
        _fail(where, 'metric', metric, 'the keys name, value and dataset')
    if not _is_number(metric['value']):
        _fail(where, 'metric.value', metric['value'], 'a number')
    texts = {'metric.name': metric['name'], 'metric.dataset': metric['dataset']}
    for key, text in {**texts, 'source': data['source'], 'licence': data['licence']}.items():
        if not _is_text(text):
            _fail(where, key, text, 'a line of text')


def parse_entry(data: Any, where: str = 'entry') -> Entry:
    """Check one entry of an index.

    Raises:
        ZooError: If it is wrong; the message names entry, key and what is expected.
    """
    if not isinstance(data, Mapping):
        raise ZooError(f'{where}: expected an object, got {data!r:.60}')
    name = data.get('name')
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        _fail(where, 'name', name, 'arch.tag of a-z, 0-9, _ and -')
    where = f'{where} {name}'
    for key in data:
        if key not in KEYS:
            close = difflib.get_close_matches(str(key), KEYS, n=1)
            hint = f'did you mean {close[0]!r}?' if close else f'known: {", ".join(KEYS)}'
            raise ZooError(f'{where}: unknown key {key!r}; {hint}')
    for key in KEYS:
        if key not in data:
            raise ZooError(f'{where}: missing key {key!r}')
    _check_files(where, data)
    _check_use(where, data)
    frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    frozen['normalisation'] = {k: tuple(v) for k, v in data['normalisation'].items()}
    return Entry(**frozen)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError(f'duplicate key among {[key for key, _ in pairs]}')
    return data


def load_index(path: Path | None = None) -> dict[str, Entry]:
    """Read an index (default: the one of this package) as a dict from name to entry.

    Raises:
        ZooError: If it cannot be read or is wrong; the message names entry and key.
    """
    path = path or index_path()
    try:
        data = json.loads(path.read_bytes(), object_pairs_hook=_unique_keys)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise ZooError(f'index {path}: cannot be read: {reason}') from None
    if not (isinstance(data, dict) and set(data) == {'schema', 'entries'}):
        raise ZooError(f'index {path}: expected the keys schema and entries')
    if data['schema'] != SCHEMA:
        _fail(f'index {path}', 'schema', data['schema'], f'{SCHEMA}; a newer version may read it')
    if not isinstance(data['entries'], list):
        _fail(f'index {path}', 'entries', data['entries'], 'a list')
    entries: dict[str, Entry] = {}
    for number, item in enumerate(data['entries']):
        entry = parse_entry(item, f'index {path}: entry {number}')
        if entry.name in entries:
            raise ZooError(f'index {path}: entry {number} {entry.name}: duplicate name')
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
        right = f'the architecture with hash {entry.genotype_hash}'
        _fail(entry.name, 'genotype', genotype.hash, right)
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
