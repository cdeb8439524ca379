"""CDARTS: a search network and an evaluation network that teach each other."""

from .search import CDARTS

__all__ = ['CDARTS']
