"""Search spaces: super-nets, which work anywhere a backbone works."""

from .chain import ChainSuperNet
from .darts import DARTSSuperNet
from .mixed import Mixed
from .mixture import ArchPath, Choice, Fixed, Mixture, Relaxed, Weights, mixed_sum
from .mobile import MobileSuperNet
from .nasbench201 import NASBench201SuperNet
from .nasbench_macro import NASBenchMacroSuperNet
from .plugged import PluggedSuperNet
from .ppconv import PPConvSuperNet
from .super_net import SuperNet

__all__ = [
    'ArchPath',
    'ChainSuperNet',
    'Choice',
    'DARTSSuperNet',
    'Fixed',
    'Mixed',
    'Mixture',
    'MobileSuperNet',
    'NASBench201SuperNet',
    'NASBenchMacroSuperNet',
    'PPConvSuperNet',
    'PluggedSuperNet',
    'Relaxed',
    'SuperNet',
    'Weights',
    'mixed_sum',
]
