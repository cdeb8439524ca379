"""The little that mmengine's runner lacks for searches."""

from .checkpoint import SafeCheckpointHook
from .data_check import AnnotationError, DataCheckHook
from .drop_path import DropPathHook
from .layout import ChannelsLastHook
from .mixed_precision import BFloat16OptimWrapper
from .optim import SearchOptimConstructor, SearchOptimWrapper
from .search_hook import SearchHook
from .search_loop import Replicas, SearchLoop
from .seed import EpochSeedHook
from .stable_sgd import StableSGD

__all__ = [
    'AnnotationError',
    'BFloat16OptimWrapper',
    'ChannelsLastHook',
    'DataCheckHook',
    'DropPathHook',
    'EpochSeedHook',
    'Replicas',
    'SafeCheckpointHook',
    'SearchHook',
    'SearchLoop',
    'SearchOptimConstructor',
    'SearchOptimWrapper',
    'StableSGD',
]
