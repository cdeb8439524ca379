"""Weights that the authors of a paper published: fetched from them, converted on this machine.

``model_zoo/published.json`` says where each file is and what it is.  Nothing of it lies in the
repository, and no result of it was measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..utils import schema
from ..utils.schema import SchemaError
from .entry import (
    Entry,
    ZooError,
    check_digits,
    check_input,
    check_name,
    check_network,
    frozen,
    is_inside,
    is_place,
    read_entries,
)

FILE = 'published.json'
DIGITS = 8
KEYS = (
    *('name', 'config', 'genotype', 'genotype_hash', 'url', 'digits', 'input_size'),
    *('normalisation', 'classes', 'metric', 'expected', 'source', 'licence'),
)


@dataclass(frozen=True)
class Published(Entry):
    """Weights that the authors of a paper published.

    ``metric`` also has ``by``: whose number it is; its ``value`` is ``None`` if they gave none.

    Args:
        url: Where the authors' zip is.
        digits: First digits of its SHA-256; the rest is remembered at the first download.
        expected: ``value`` of the metric on the validation images, and ``within`` how many points
            it means that the architecture and the padding are right.
    """

    url: str
    digits: str
    expected: Mapping[str, float]
    kind: ClassVar[str] = 'published by the authors'

    @property
    def file_name(self) -> str:
        """Name of the converted file in a cache; that of another zip has another name."""
        return f'{self.name}-{self.digits}.safetensors'

    @property
    def zip_name(self) -> str:
        """Name of the authors' file."""
        return PurePosixPath(urlsplit(self.url).path).name


Converter = Callable[[Published, Path, Path], bytes]
"""Turns an entry, its zip and the path of the index into the content of a safetensors file."""
_CONVERTERS: list[Converter] = []


def set_converter(convert: Converter) -> None:
    """Say how released files are converted: the networks are above this folder."""
    _CONVERTERS[:] = [convert]


def convert(item: Published, archive: Path, index: Path) -> bytes:
    """Convert a released file.

    Raises:
        CheckpointError: If it is damaged, or not of the network of the entry.
    """
    return _CONVERTERS[0](item, archive, index)


def _check_metric(where: str, data: Mapping[str, Any]) -> None:
    metric = schema.mapping(data['metric'], f'{where}: metric', ('name', 'value', 'dataset', 'by'))
    if metric['value'] is not None:
        schema.number(metric['value'], f'{where}: metric.value')
    for key in ('name', 'dataset', 'by'):
        schema.text(metric[key], f'{where}: metric.{key}')
    wanted = schema.mapping(data['expected'], f'{where}: expected', ('value', 'within'))
    for key in wanted:
        schema.number(wanted[key], f'{where}: expected.{key}', 0)
    for key in ('source', 'licence'):
        schema.text(data[key], f'{where}: {key}')


def _classes(where: str, name: Any, folder: Path) -> tuple[str, ...]:
    """Read the names of the classes: a list in a file beside the index."""
    right = 'the name of a file with a list of names'
    if not is_inside(schema.text(name, f'{where}: classes', right)):
        schema.fail(f'{where}: classes', right, name)
    try:
        found = schema.sequence(schema.parse((folder / name).read_bytes()), f'{where}: classes', 1)
    except OSError as error:
        raise SchemaError(f'{where}: classes: {folder / name}: {error.strerror}') from None
    return tuple(schema.text(each, f'{where}: classes') for each in found)


def parse_published(data: Any, where: str, folder: Path) -> Published:
    """Check one entry; ``folder`` has the file with its classes.

    Raises:
        ZooError: If it is wrong; the message names entry, key and what is expected.
    """
    try:
        where = check_name(data, where)
        schema.mapping(data, where, KEYS)
        check_network(where, data, baseline=True)
        if not is_place(data['url'], ('.zip',)) or not urlsplit(data['url']).scheme:
            schema.fail(f'{where}: url', 'https://, http:// or file:///..., a .zip', data['url'])
        check_digits(where, data, 'digits', DIGITS)
        check_input(where, data)
        _check_metric(where, data)
        classes = _classes(where, data['classes'], folder)
    except SchemaError as error:
        raise ZooError(str(error)) from None
    return Published(**{**frozen(data), 'classes': classes})


def load_published(folder: Path) -> dict[str, Published]:
    """Read the list of a folder as a dict from name to entry; empty if it has none.

    Raises:
        ZooError: If it is wrong; the message names entry and key.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    return read_entries(path, lambda data, where: parse_published(data, where, folder))
