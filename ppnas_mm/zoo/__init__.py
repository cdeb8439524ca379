"""The model zoo: weights and whole models by name (``ppnas_mm.zoo.load(NAME)``)."""

from ..weights.fetch import SCHEME, cache_folder, entry, fetch, list
from ..weights.index import Entry, ZooError
from .backbone import create_backbone
from .model import load
from .preprocess import transform

__all__ = [
    'SCHEME',
    'Entry',
    'ZooError',
    'cache_folder',
    'create_backbone',
    'entry',
    'fetch',
    'list',
    'load',
    'transform',
]
