"""Derived networks: each interprets a genotype."""

from .darts import DARTSNet
from .pp_resnet import PPResNet, PPResNetCIFAR

__all__ = ['DARTSNet', 'PPResNet', 'PPResNetCIFAR']
