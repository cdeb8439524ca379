"""Search algorithms: each wraps a model and decides only how to choose."""

from .base import SearchAlgorithm
from .bilevel import BilevelSearch
from .cdarts import CDARTS
from .darts import DARTS
from .eoinas import EoiNAS
from .gdas import GDAS
from .one_shot import SENAS, SPOS
from .ppnas import PPNAS
from .random_search import RandomSearch
from .table_search import TableSearch
from .untrained import UntrainedSearch
from .zero_cost import ZeroCostSearch

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
    'TableSearch',
    'UntrainedSearch',
    'ZeroCostSearch',
]
