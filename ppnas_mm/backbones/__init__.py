"""Derived networks: each is built from a genotype."""

from .chain import ChainNet
from .darts import DARTSNet
from .mobile import MobileNASNet
from .nasbench201 import NASBench201Net
from .nasbench_macro import NASBenchMacroNet
from .plugged import Plugged
from .pp_conv_layer import pp_conv_layer
from .pp_resnet import PPResNet, PPResNetCIFAR

__all__ = [
    'ChainNet',
    'DARTSNet',
    'MobileNASNet',
    'NASBench201Net',
    'NASBenchMacroNet',
    'PPResNet',
    'PPResNetCIFAR',
    'Plugged',
    'pp_conv_layer',
]
