"""The model zoo: weights and whole models by name (``ppnas_mm.zoo.load(NAME)``)."""

from pathlib import Path

from ..weights import published
from ..weights.fetch import SCHEME, cache_folder, entry, fetch, list
from ..weights.index import Entry, ZooError
from ..weights.published import Published
from .backbone import create_backbone
from .model import load
from .preprocess import transform

__all__ = [
    'SCHEME',
    'Entry',
    'Published',
    'ZooError',
    'cache_folder',
    'create_backbone',
    'entry',
    'fetch',
    'list',
    'load',
    'transform',
]


def _convert(item: Published, archive: Path, index: Path) -> bytes:
    from .release import convert  # here: an import of the package needs no networks

    return convert(item, archive, index)


published.set_converter(_convert)
