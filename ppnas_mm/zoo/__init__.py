"""The model zoo: weights and whole models by name (``ppnas_mm.zoo.load(NAME)``)."""

from ..weights.fetch import SCHEME, cache_folder, entry, fetch, list
from ..weights.index import Entry, ZooError
from .model import load

__all__ = ['SCHEME', 'Entry', 'ZooError', 'cache_folder', 'entry', 'fetch', 'list', 'load']
