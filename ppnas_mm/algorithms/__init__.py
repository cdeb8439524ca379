"""Search algorithms: each wraps a whole model and owns only how to choose."""

from .base import SearchAlgorithm
from .bilevel import BilevelSearch
from .cdarts import CDARTS
from .darts import DARTS
from .eoinas import EoiNAS
from .gdas import GDAS
from .ppnas import PPNAS
from .random_search import RandomSearch
from .senas import SENAS
from .spos import SPOS

__all__ = [
    'CDARTS',
    'DARTS',
    'GDAS',
    'PPNAS',
    'SENAS',
    'SPOS',
    'BilevelSearch',
    'EoiNAS',
    'RandomSearch',
    'SearchAlgorithm',
]
