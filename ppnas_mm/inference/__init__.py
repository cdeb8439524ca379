"""Predictions on images, and export for deployment."""

from .demo import ImageError, load_model, predict, run_demo
from .export import ExportError, export_checkpoint, export_network

__all__ = [
    'ExportError',
    'ImageError',
    'export_checkpoint',
    'export_network',
    'load_model',
    'predict',
    'run_demo',
]
