"""Finds invalid boxes: not finite, far outside their image, all crowds; repeated ids."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

FAR = 2.0
"""How far a box may reach outside its image, in image sizes; annotators overshoot by less."""


class AnnotationError(ValueError):
    """Annotations that do not fit the config; the message names the file and the fix."""


def check_coco_file(path: str | Path) -> None:
    """Find what mmdet silently drops or overwrites when it reads a COCO file.

    Raises:
        AnnotationError: If the ids of images or annotations repeat, or a box is not finite.
    """
    content = json.loads(Path(path).read_text())
    for kind in ('images', 'annotations'):
        # annotations of panoptic images have no ids
        ids = Counter(entry['id'] for entry in content.get(kind, ()) if 'id' in entry)
        twice = [number for number, count in ids.items() if count > 1]
        if twice:
            raise AnnotationError(f'{path}: {kind} have the id {twice[0]} {ids[twice[0]]} times')
    for entry in content.get('annotations', ()):
        box = entry.get('bbox') or ()
        if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in box):
            raise AnnotationError(f'{path}: annotation {entry.get("id")}: bbox {box} is not finite')


def box_problem(info: dict[str, Any]) -> str | None:
    """Return what is wrong with a box of an image; ``None`` if nothing is.

    Args:
        info: Entry of an image in mmdet's data set: ``width``, ``height`` and ``instances`` with
            ``bbox`` (x1, y1, x2, y2), in pixels.
    """
    width, height = info.get('width') or math.inf, info.get('height') or math.inf
    for instance in info['instances']:
        box = [float(v) for v in instance['bbox']]
        if not all(map(math.isfinite, box)):
            return f'the box {box} is not finite'
        limits = [width, height] * 2
        if any(
            not -FAR * side <= v <= (1 + FAR) * side for v, side in zip(box, limits, strict=True)
        ):
            return f'the box {box} is far outside of the image of {width} x {height}'
    return None


def check_boxes(dataset: Any, where: str, classes: tuple[str, ...]) -> list[str]:
    """Check all boxes of a data set.

    Returns:
        The classes without a box.

    Raises:
        AnnotationError: If a box is wrong (the message names its image), or if no box is left.
    """
    seen: set[int] = set()
    crowds = 0
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        problem = box_problem(info)
        if problem:
            raise AnnotationError(f'{where}: {info.get("img_path", f"image {i}")}: {problem}')
        for instance in info['instances']:
            if instance.get('ignore_flag'):
                crowds += 1
            else:
                seen.add(instance['bbox_label'])
    if not seen and crowds:
        raise AnnotationError(f'{where}: all {crowds} boxes are crowds (iscrowd=1) or ignored')
    if not seen:
        raise AnnotationError(f'{where}: no image has a box of the classes {classes}')
    return [name for label, name in enumerate(classes) if label not in seen]
