"""Hooks, loops and optimizers that mmengine's runner lacks for searches."""

from .channels_last import ChannelsLastHook
from .checkpoint import SafeCheckpointHook
from .drop_path import DropPathHook
from .mixed_precision import BFloat16OptimWrapper
from .optim import SearchOptimConstructor, SearchOptimWrapper
from .replicas import Replicas
from .search_hook import SearchHook
from .search_loop import SearchLoop
from .seed import EpochSeedHook
from .stable_sgd import StableSGD

__all__ = [
    'BFloat16OptimWrapper',
    'ChannelsLastHook',
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
