"""Search spaces: super-nets that stand wherever a backbone stands."""

from .base import Mixed, SuperNet
from .darts import DARTSSuperNet
from .mixture import Choice, Fixed, Mixture, Path, Relaxed, Weights, mixed_sum
from .ppconv import PPConvSuperNet

__all__ = [
    'Choice',
    'DARTSSuperNet',
    'Fixed',
    'Mixed',
    'Mixture',
    'PPConvSuperNet',
    'Path',
    'Relaxed',
    'SuperNet',
    'Weights',
    'mixed_sum',
]
