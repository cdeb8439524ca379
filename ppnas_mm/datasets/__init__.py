"""Datasets and transforms: data that ships with a dependency, and what mmpretrain lacks."""

from .cifar import CIFARAutoAugment, PartialCIFAR10
from .digits import Digits

__all__ = ['CIFARAutoAugment', 'Digits', 'PartialCIFAR10']
