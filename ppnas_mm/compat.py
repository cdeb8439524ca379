"""Guards around other packages: missing ones are named, a half-usable torchvision is mended."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import torch

PIP_NAMES = {
    'mmengine': 'onedl-mmengine',
    'mmpretrain': 'onedl-mmpretrain',
    'mmdet': 'onedl-mmdetection',
    'mmseg': 'onedl-mmsegmentation',
    'sklearn': 'scikit-learn',
    'skimage': 'scikit-image',
    'cv2': 'opencv-python-headless',
    'PIL': 'Pillow',
    'yaml': 'PyYAML',
    'safetensors': 'safetensors',
    'mmcv': 'onedl-mmcv',
    'onnx': 'ppnas_mm[export]',
    'onnxruntime': 'ppnas_mm[export]',
}
_schemas: list[torch.library.Library] = []


def guard_torchvision() -> None:
    """Let ``import torchvision`` succeed beside a CPU build of torch.

    The registry's torchvision has CUDA ops only; without them its import stops at
    ``operator torchvision::nms does not exist``.  Nothing here calls those ops, so defining their
    schemas is enough.  Does nothing where torchvision imports or is not installed.
    """
    if _schemas or 'torchvision' in sys.modules or not importlib.util.find_spec('torchvision'):
        return
    try:
        importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error):
            raise
        for name in [n for n in sys.modules if n.split('.')[0] == 'torchvision']:
            del sys.modules[name]
        library = torch.library.Library('torchvision', 'DEF')
        for op in ('nms', 'qnms'):
            library.define(f'{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        _schemas.append(library)
        importlib.import_module('torchvision')


def missing(module: str) -> str:
    """Return what to run for a module that cannot be imported."""
    library = module.split('.')[0]
    return f'run: pip install {PIP_NAMES.get(library, library)}'


def require(module: str) -> ModuleType:
    """Import an optional library.

    Raises:
        ImportError: If it is missing, with the pip command that brings it.
    """
    library = module.split('.')[0]
    try:
        importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise ImportError(f'{library} is not installed; {missing(library)}') from None
    return importlib.import_module(module)
