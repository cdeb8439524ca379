"""Search algorithms: each wraps a whole model and owns only how to choose."""

from .base import SearchAlgorithm
from .ppnas import PPNAS
from .random_search import RandomSearch

__all__ = ['PPNAS', 'RandomSearch', 'SearchAlgorithm']
