"""Weights from and to other code bases, tensor by tensor (``tools/convert.py``)."""

from .files import read_weights, write_weights
from .links import FormatError
from .match import FORMATS, Report, detect, from_format, to_format, written_edges

__all__ = [
    'FORMATS',
    'FormatError',
    'Report',
    'detect',
    'from_format',
    'read_weights',
    'to_format',
    'write_weights',
    'written_edges',
]
