"""Weights in files: found by name, transferred, checked, and loaded as data only."""

from .checkpoint import (
    CheckpointError,
    load_backbone,
    load_checkpoint,
    load_state,
    load_weights,
    save_derived,
)
from .index import Entry, ZooError, load_index

__all__ = [
    'CheckpointError',
    'Entry',
    'ZooError',
    'load_backbone',
    'load_checkpoint',
    'load_index',
    'load_state',
    'load_weights',
    'save_derived',
]
