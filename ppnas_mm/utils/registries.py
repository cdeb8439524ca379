"""The registries of this package: children of mmengine's.

Rooms register their classes here. Which modules hold classes is said at the top of the house
(``ppnas_mm/registry.py``), so nothing in here knows what is above it.
"""

from __future__ import annotations

from mmengine import registry as _root
from mmengine.registry import Registry

LOCATIONS: dict[str, list[str]] = {}
"""For each kind of component the modules that mmengine imports when it first looks for one."""


def _child(kind: str, parent: Registry) -> Registry:
    return Registry(kind, parent=parent, scope='ppnas_mm', locations=LOCATIONS.setdefault(kind, []))


MODELS = _child('model', _root.MODELS)
DATASETS = _child('dataset', _root.DATASETS)
TRANSFORMS = _child('transform', _root.TRANSFORMS)
HOOKS = _child('hook', _root.HOOKS)
LOOPS = _child('loop', _root.LOOPS)
MODEL_WRAPPERS = _child('model_wrapper', _root.MODEL_WRAPPERS)
OPTIMIZERS = _child('optimizer', _root.OPTIMIZERS)
OPTIM_WRAPPERS = _child('optim_wrapper', _root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', _root.OPTIM_WRAPPER_CONSTRUCTORS
)
