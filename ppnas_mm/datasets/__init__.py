"""Datasets: those that ship with a dependency."""

from .digits import Digits

__all__ = ['Digits']
