"""The little that mmengine's runner lacks for searches."""

from .checkpoint import SafeCheckpointHook
from .data_check import AnnotationError, DataCheckHook
from .optim import SearchOptimConstructor, SearchOptimWrapper
from .search_hook import SearchHook
from .seed import EpochSeedHook

__all__ = [
    'AnnotationError',
    'DataCheckHook',
    'EpochSeedHook',
    'SafeCheckpointHook',
    'SearchHook',
    'SearchOptimConstructor',
    'SearchOptimWrapper',
]
