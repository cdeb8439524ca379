"""Finds invalid masks: another size than the image, 16 bits, unknown labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from .box_check import AnnotationError

PNG = b'\x89PNG\r\n\x1a\n'
DEPTH = 24  # place of the bit depth in the header of a PNG file


def _has_16_bits(path: str | Path) -> bool:
    file = Path(path)
    if file.suffix.lower() in ('.tif', '.tiff'):
        return True  # looked at below
    if not file.is_file():
        return False
    with file.open('rb') as stream:
        header = stream.read(DEPTH + 1)
    return header.startswith(PNG) and len(header) > DEPTH and header[DEPTH] == 16


def check_mask_file(data: dict[str, Any]) -> None:
    """Compare a mask, right after mmseg has read it, with its image and its file.

    Args:
        data: Results of the pipeline: ``gt_seg_map``, ``ori_shape`` of the image in pixels,
            ``seg_map_path``.

    Raises:
        AnnotationError: If the sizes differ, or the file has labels above 255: mmseg keeps 8 bits.
    """
    mask, path = data['gt_seg_map'], data.get('seg_map_path') or 'a mask'
    size = tuple(data.get('ori_shape') or mask.shape)[:2]
    if tuple(mask.shape[:2]) != size:
        raise AnnotationError(
            f'{path} is {mask.shape[1]} x {mask.shape[0]}, its image '
            f'{data.get("img_path", "")} is {size[1]} x {size[0]}'
        )
    if isinstance(path, str) and _has_16_bits(path):
        whole = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        largest = int(np.max(whole)) if whole is not None else 0
        if largest > 255:
            raise AnnotationError(
                f'{path} has the label {largest}; mmseg reads masks with 8 bits, so up to 255'
            )


def check_labels(samples: Any, classes: int, ignored: torch.Tensor) -> None:
    """Check the masks of a batch.

    Args:
        samples: Data samples of mmseg.
        classes: Number of classes of the heads.
        ignored: Labels that the heads ignore.

    Raises:
        AnnotationError: If one is wrong; the message names the mask and its largest label.
    """
    for sample in samples if isinstance(samples, (list, tuple)) else ():
        if 'gt_sem_seg' not in sample:
            continue
        mask = sample.gt_sem_seg.data
        largest = int(mask.masked_fill(torch.isin(mask, ignored), 0).max())
        if largest >= classes:
            raise AnnotationError(
                f'{sample.metainfo.get("seg_map_path", "a mask")} has the label {largest}, but '
                f'the model has {classes} classes (0 to {classes - 1}); set '
                'num_classes or ignore_index of the heads, or relabel the mask'
            )
