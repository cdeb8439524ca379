"""Data sets, transforms and checks of annotations."""

from .cifar import CIFARAutoAugment, PartialCIFAR10, RGBFromFile
from .data_check import AnnotationError, DataCheckHook
from .digits import Digits
from .half import Half

__all__ = [
    'AnnotationError',
    'CIFARAutoAugment',
    'DataCheckHook',
    'Digits',
    'Half',
    'PartialCIFAR10',
    'RGBFromFile',
]
