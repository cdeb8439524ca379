"""EoiNAS: importance of operations, and a Markov chain that prunes the search space."""

from .search import EoiNAS

__all__ = ['EoiNAS']
