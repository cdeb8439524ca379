"""The registries, and where their classes are: the table of contents of the package.

``type='ppnas_mm.PPResNet'`` works in mmpretrain, mmdet and mmseg configs with no import line:
mmengine imports ``<scope>.registry`` and then the locations.  Bare names (``PPResNet``) work
after ``custom_imports = dict(imports=['ppnas_mm'])``: the backbones are also registered in
mmengine's root, as factories that import the class when a config asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .utils.compat import (
    guard_mmcv,
    guard_mmpretrain,
    guard_notes,
    guard_torchvision,
    guard_yapf,
    require,
)


def _join_hub(apis: Any) -> None:
    importlib.import_module('ppnas_mm.zoo.model_hub').join(apis)


guard_notes()
guard_yapf()
guard_torchvision()
guard_mmcv()
guard_mmpretrain(_join_hub)
require('mmengine')
from mmengine.registry import MODELS as _ROOT_MODELS  # noqa: E402

from .utils.registries import (  # noqa: E402
    DATASETS,
    HOOKS,
    LOCATIONS,
    LOOPS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    TRANSFORMS,
)

__all__ = [
    'DATASETS',
    'HOOKS',
    'LOOPS',
    'MODELS',
    'MODEL_WRAPPERS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'TRANSFORMS',
]

ROOMS = {
    'model': ('backbones', 'spaces', 'algorithms'),
    'dataset': ('datasets',),
    'transform': ('datasets',),
    'hook': ('datasets', 'engine'),
    'loop': ('engine',),
    'model_wrapper': ('engine',),
    'optimizer': ('engine',),
    'optim_wrapper': ('engine',),
    'optimizer wrapper constructor': ('engine',),
}
BACKBONES = {
    'ChainNet': 'ppnas_mm.backbones.chain',
    'DARTSNet': 'ppnas_mm.backbones.darts',
    'MobileNASNet': 'ppnas_mm.backbones.mobile',
    'NASBench201Net': 'ppnas_mm.backbones.nasbench201',
    'NASBenchMacroNet': 'ppnas_mm.backbones.nasbench_macro',
    'Plugged': 'ppnas_mm.backbones.plugged',
    'PPResNet': 'ppnas_mm.backbones.pp_resnet',
    'PPResNetCIFAR': 'ppnas_mm.backbones.pp_resnet',
}
HEADS = {
    'AuxiliaryClsHead': 'ppnas_mm.heads.mmpretrain_auxiliary',
    'CDARTSAuxHead': 'ppnas_mm.heads.mmseg_cdarts',
    'CDARTSHead': 'ppnas_mm.heads.mmseg_cdarts',
    'CropFlipPreprocessor': 'ppnas_mm.datasets.mmpretrain_crop_flip',
    'GFLV2Head': 'ppnas_mm.heads.mmdet_gflv2',
    'DeepLabV3PlusHead': 'ppnas_mm.heads.mmseg_deeplabv3plus',
    'OHEMLoss': 'ppnas_mm.heads.mmseg_cdarts',
}
"""Classes that only one library can hold; mmdet and mmseg may be missing."""


def _factory(name: str, module: str) -> Callable[..., Any]:
    def build(**kwargs: Any) -> Any:
        return getattr(importlib.import_module(module), name)(**kwargs)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f'Build :class:`{module}.{name}`.'
    return build


for _kind, _rooms in ROOMS.items():
    LOCATIONS[_kind][:] = [f'ppnas_mm.{room}' for room in _rooms]
for _name, _module in BACKBONES.items():
    _ROOT_MODELS.register_module(name=_name, module=_factory(_name, _module), force=True)
for _name, _module in HEADS.items():
    MODELS.register_module(name=_name, module=_factory(_name, _module))
