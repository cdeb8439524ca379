"""CIFAR: data set and transforms that mmpretrain lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from ..utils.compat import require
from ..utils.registries import DATASETS, TRANSFORMS

CIFAR10 = require('mmpretrain.datasets').CIFAR10


@DATASETS.register_module()
class PartialCIFAR10(CIFAR10):  # type: ignore[misc, valid-type]
    """CIFAR-10 with the first training batches only, 10,000 images each, MD5-checked.

    Args:
        batches: Number of training batches, 1 to 5.
        **kwargs: As in mmpretrain's ``CIFAR10``.

    Raises:
        ValueError: If ``batches`` is out of range.
    """

    def __init__(self, batches: int = 5, **kwargs: Any) -> None:
        if not 1 <= batches <= 5:
            raise ValueError(f'PartialCIFAR10: batches={batches}: expected 1 to 5')
        self.train_list = CIFAR10.train_list[:batches]
        super().__init__(**kwargs)


@TRANSFORMS.register_module()
class CIFARAutoAugment(BaseTransform):
    """torchvision's AutoAugment with the CIFAR-10 policy (mmpretrain ships ImageNet's only)."""

    def __init__(self) -> None:
        transforms = require('torchvision.transforms')
        self.augment = transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Augment ``results['img']``, an RGB uint8 array (H, W, 3)."""
        results['img'] = np.asarray(self.augment(Image.fromarray(results['img'])))
        return results


@TRANSFORMS.register_module()
class RGBFromFile(BaseTransform):
    """Turn an image from a file (BGR) into RGB; CIFAR's images in memory are RGB already.

    For test pipelines, which inference classes and ``tools/demo.py`` apply to files: a loaded file
    has an ``ori_shape``, an image of a data set in memory does not.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn ``results['img']`` (H, W, 3), if it was loaded."""
        if 'ori_shape' in results and results['img'].ndim == 3:
            results['img'] = np.ascontiguousarray(results['img'][..., ::-1])
        return results
