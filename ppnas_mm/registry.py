"""Registries of this package: children of mmengine's, filled on first use.

``type='ppnas_mm.PPResNet'`` works in mmpretrain, mmdet and mmseg configs with no import line:
mmengine imports ``<scope>.registry`` and then the ``locations``.  Bare names (``PPResNet``) work
after ``custom_imports = dict(imports=['ppnas_mm'])``: the backbones are also registered in
mmengine's root, as factories that import the class when a config asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .compat import guard_mmcv, guard_mmpretrain, guard_torchvision, require

guard_torchvision()
guard_mmcv()
guard_mmpretrain()
require('mmengine')
from mmengine import registry as _root  # noqa: E402
from mmengine.registry import Registry  # noqa: E402


def _child(kind: str, parent: Registry, *modules: str) -> Registry:
    locations = [f'ppnas_mm.{module}' for module in modules]
    return Registry(kind, parent=parent, scope='ppnas_mm', locations=locations)


MODELS = _child('model', _root.MODELS, 'backbones', 'spaces', 'algorithms')
DATASETS = _child('dataset', _root.DATASETS, 'datasets')
TRANSFORMS = _child('transform', _root.TRANSFORMS, 'datasets')
HOOKS = _child('hook', _root.HOOKS, 'engine')
LOOPS = _child('loop', _root.LOOPS, 'engine')
MODEL_WRAPPERS = _child('model_wrapper', _root.MODEL_WRAPPERS, 'engine')
OPTIMIZERS = _child('optimizer', _root.OPTIMIZERS, 'engine')
OPTIM_WRAPPERS = _child('optim_wrapper', _root.OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', _root.OPTIM_WRAPPER_CONSTRUCTORS, 'engine'
)

ROOT_BACKBONES = {
    'ChainNet': 'ppnas_mm.backbones.chain',
    'DARTSNet': 'ppnas_mm.backbones.darts',
    'MobileNASNet': 'ppnas_mm.backbones.mobile',
    'NASBench201Net': 'ppnas_mm.backbones.nasbench201',
    'PPResNet': 'ppnas_mm.backbones.pp_resnet',
    'PPResNetCIFAR': 'ppnas_mm.backbones.pp_resnet',
}
LIBRARY_PARTS = {
    'AuxiliaryClsHead': 'ppnas_mm.mmpretrain_parts.aux_head',
    'CDARTSAuxHead': 'ppnas_mm.mmseg_parts.cdarts_head',
    'CDARTSHead': 'ppnas_mm.mmseg_parts.cdarts_head',
    'GFLV2Head': 'ppnas_mm.mmdet_parts.gflv2_head',
    'DeepLabV3PlusHead': 'ppnas_mm.mmseg_parts.deeplab_head',
    'OHEMLoss': 'ppnas_mm.mmseg_parts.cdarts_head',
}
"""Classes that only one library can hold; mmdet and mmseg may be missing."""


def _factory(name: str, module: str) -> Callable[..., Any]:
    def build(**kwargs: Any) -> Any:
        return getattr(importlib.import_module(module), name)(**kwargs)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f'Build :class:`{module}.{name}`.'
    return build


for _name, _module in ROOT_BACKBONES.items():
    _root.MODELS.register_module(name=_name, module=_factory(_name, _module), force=True)
for _name, _module in LIBRARY_PARTS.items():
    MODELS.register_module(name=_name, module=_factory(_name, _module))
