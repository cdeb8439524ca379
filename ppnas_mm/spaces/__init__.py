"""Search spaces: super-nets that stand wherever a backbone stands."""

from .base import Choice, Path, SuperNet
from .mixture import Fixed, Mixture, Relaxed, Weights, mixed_sum
from .ppconv import PPConvSuperNet

__all__ = [
    'Choice',
    'Fixed',
    'Mixture',
    'PPConvSuperNet',
    'Path',
    'Relaxed',
    'SuperNet',
    'Weights',
    'mixed_sum',
]
