"""Guards around other packages; each acts when its package is imported.

torchvision imports without its compiled ops, mmcv without compiled ops has those that detectors
need, mmpretrain imports with a transformers that is too new for it, what libraries do without is
not printed, and yapf's cache is written whole.  Nothing is imported early: :func:`before_import`
and :func:`when_imported` wait.
Errors about a missing package give the pip command.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

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


class _Waiting:
    """A finder that finds nothing itself; it sees what is about to be imported."""

    def __init__(self) -> None:
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[Any], None]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Call the action before the module; let its loader call the action after it."""
        if name in self.before:
            self.before.pop(name)()
        if name not in self.after:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            self._extend(spec)
        return spec

    def _extend(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            if spec.name in self.after:
                self.after.pop(spec.name)(module)

        loader.exec_module = exec_module


_waiting = _Waiting()


def _look_out() -> None:
    if _waiting not in sys.meta_path:
        sys.meta_path.insert(0, _waiting)


def before_import(name: str, action: Callable[[], None]) -> None:
    """Call an action right before a module is imported; never if it is imported already."""
    if sys.modules.get(name) is None:
        _waiting.before[name] = action
        _look_out()


def when_imported(name: str, action: Callable[[Any], None]) -> None:
    """Call an action with a module: at once if it is imported, else right after its import."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
    else:
        _waiting.after[name] = action
        _look_out()


def _define_schemas(extension: Any) -> None:
    """Define the operators that torchvision needs for its import if its library did not load.

    Nothing computes with them: ``torchvision.ops`` and the ops of mmcv here check ``_has_ops``.
    """
    if extension._has_ops() or hasattr(torch.ops.torchvision, 'nms'):
        return
    library = torch.library.Library('torchvision', 'DEF')
    for op in ('nms', 'qnms'):
        library.define(f'{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _schemas.append(library)


def guard_torchvision() -> None:
    """Let ``import torchvision`` succeed with a CPU build of torch; ``import ppnas_mm`` calls it.

    A torchvision that is built for CUDA cannot load its library with a CPU build of torch, and the
    import stops at ``operator torchvision::nms does not exist``.
    """
    when_imported('torchvision.extension', _define_schemas)


def _without_multimodal(dependency: Any) -> None:
    """Disable mmpretrain's multimodal models if their imports fail.

    mmpretrain imports them with pycocotools and any transformers >= 4.28, but transformers 5 has
    dropped names that they use.  It then uses placeholders, as without transformers.
    """
    if dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False


def guard_mmpretrain(join: Callable[[Any], None]) -> None:
    """Let mmpretrain import with transformers 5, without its multimodal models.

    Its ``list_models`` and ``get_model`` also know the models of this project.
    """
    when_imported('mmpretrain.utils.dependency', _without_multimodal)
    when_imported('mmpretrain.apis.model', join)


def _supply_ops() -> None:
    """Replace ``mmcv._ext`` by ``mmcv_ops.py`` if it does not load."""
    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):  # built, but for another torch
            warnings.warn(f'the compiled ops of mmcv do not load: {error}', stacklevel=2)
        stand_in = importlib.import_module('ppnas_mm.utils.mmcv_ops').stand_in
        sys.modules['mmcv._ext'] = stand_in()


def guard_mmcv() -> None:
    """Let ``import mmcv.ops`` succeed, and detectors run, without compiled ops."""
    before_import('mmcv.ops', _supply_ops)


def _without_notes(mmengine_logging: Any) -> None:
    """Print no details that name no logger: libraries say at their import what they do without."""
    original = mmengine_logging.print_log

    @functools.wraps(original)
    def print_log(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            original(msg, logger, level)

    mmengine_logging.print_log = print_log


def guard_notes() -> None:
    """Let libraries be imported in silence; ``import ppnas_mm`` calls it."""
    when_imported('mmengine.logging', _without_notes)


def _write_grammar_whole(grammar_module: Any) -> None:
    """Let yapf write its cache in one step: it renames the file before the last bytes are in it.

    mmengine lays out configs with yapf.  On a machine without the cache several processes write
    it at once, and one that reads it between stops at ``EOFError: Ran out of input``.
    """

    original = grammar_module.Grammar.dump

    def dump(self: Any, filename: str) -> None:
        own = f'{filename}.{os.getpid()}'
        original(self, own)
        os.replace(own, filename)

    grammar_module.Grammar.dump = dump


def guard_yapf() -> None:
    """Let processes that start together on a new machine read yapf's cache."""
    when_imported('yapf_third_party._ylib2to3.pgen2.grammar', _write_grammar_whole)


def missing(module: str) -> str:
    """Return the pip command for a module that cannot be imported."""
    library = module.split('.')[0]
    return f'run: pip install {PIP_NAMES.get(library, library)}'


def require(module: str) -> ModuleType:
    """Import an optional library.

    Raises:
        ImportError: If it is missing; the message gives the pip command.
    """
    library = module.split('.')[0]
    try:
        importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise ImportError(f'{library} is not installed; {missing(library)}') from None
    return importlib.import_module(module)
