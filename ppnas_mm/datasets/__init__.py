"""Datasets and transforms: data that ships with a dependency, and what mmpretrain lacks."""

from .cifar import CIFARAutoAugment, PartialCIFAR10, RGBFromFile
from .digits import Digits
from .half import Half

__all__ = ['CIFARAutoAugment', 'Digits', 'Half', 'PartialCIFAR10', 'RGBFromFile']
