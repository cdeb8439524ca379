"""Derived networks: each interprets a genotype."""

from .pp_resnet import PPResNet, PPResNetCIFAR

__all__ = ['PPResNet', 'PPResNetCIFAR']
