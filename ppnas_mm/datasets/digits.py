"""The 1,797 real handwritten digits that ship with scikit-learn, as an mmpretrain dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from ..utils.compat import require
from ..utils.registries import DATASETS

BaseDataset = require('mmpretrain.datasets').BaseDataset


def load_split(split: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits of a split, (N, 8, 8) uint8 of 0 to 255, and their labels.

    Args:
        split: ``'train'`` (80 %) or ``'test'`` (20 %), stratified by class.
        seed: Seed of the split.

    Raises:
        ValueError: If ``split`` is neither.
    """
    if split not in ('train', 'test'):
        raise ValueError(f"Digits: split={split!r}: expected 'train' or 'test'")
    digits = require('sklearn.datasets').load_digits()
    parts = require('sklearn.model_selection').train_test_split(
        np.arange(len(digits.target)), test_size=0.2, random_state=seed, stratify=digits.target
    )
    chosen = np.sort(parts[split == 'test'])
    return (digits.images[chosen] * (255 / 16)).astype(np.uint8), digits.target[chosen]


@DATASETS.register_module()
class Digits(BaseDataset):  # type: ignore[misc, valid-type]
    """Optical recognition of handwritten digits, UCI; 8x8 grey images of ten classes.

    Args:
        split: ``'train'`` (80 %) or ``'test'`` (20 %), stratified by class.
        split_seed: Seed of the split.
        size: Image size in pixels after bilinear upsampling; three equal channels.
        pipeline, **kwargs: As in mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If ``split`` is neither ``'train'`` nor ``'test'``.
    """

    METAINFO = {'classes': tuple('0123456789')}  # noqa: RUF012

    def __init__(
        self,
        split: str = 'train',
        split_seed: int = 0,
        size: int = 16,
        pipeline: Sequence = (),
        **kwargs: Any,
    ) -> None:
        if split not in ('train', 'test'):
            raise ValueError(f"Digits: split={split!r}: expected 'train' or 'test'")
        self.split = split
        self.split_seed = split_seed
        self.size = size
        super().__init__(ann_file='', pipeline=pipeline, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return a dict with ``img`` (size, size, 3) uint8 and ``gt_label`` for each digit."""
        data = []
        for grey, label in zip(*load_split(self.split, self.split_seed), strict=True):
            image = cv2.resize(grey, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
            data.append(dict(img=np.repeat(image[..., None], 3, axis=2), gt_label=int(label)))
        return data
