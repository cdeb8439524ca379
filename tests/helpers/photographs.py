"""Two photographs, written as whatever detection or segmentation data set a config names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from mmdet.datasets import CocoDataset, XMLDataset
from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset
from PIL import Image
from sklearn.datasets import load_sample_images


@dataclass
class Picture:
    """A photograph (BGR) and boxes (x, y, width, height, class modulo the number of classes)."""

    image: np.ndarray
    boxes: list[tuple[int, int, int, int, int]]


@cache
def pictures() -> list[Picture]:
    """Both photographs, wide, then tall, at a quarter of VOC's size; the second has no box."""
    found = []
    for height, width in ((375, 500), (500, 375)):
        for photo in load_sample_images().images:
            crop = (photo if width > height else np.rot90(photo))[:height, :width, ::-1]
            h, w = height // 4, width // 4
            image = cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA)
            boxes = [
                (0, 0, w // 3, h // 4, 0),
                (w // 4, h // 3, w // 2, h // 2, 7),
                (w - 30, h - 20, 30, 20, 13),
                (w // 2, 2, 6, 5, 1),
            ]
            found.append(Picture(image, boxes if len(found) != 1 else []))
    return found


def write_coco(dataset: Any, images: list[Picture]) -> None:
    """Write an annotation file; the last box of an image is a crowd; ids have gaps.

    (An annotation of number 0 would count as missed: to pycocotools 0 means "no match".)
    """
    names = dataset.metainfo['classes']
    categories = [dict(id=2 * i + 1, name=name) for i, name in enumerate(names)]
    coco: dict[str, list] = dict(images=[], annotations=[], categories=categories)
    for i, picture in enumerate(images):
        h, w = picture.image.shape[:2]
        cv2.imwrite(f'{dataset.data_prefix["img"]}/{i}.jpg', picture.image)
        coco['images'].append(dict(id=i, file_name=f'{i}.jpg', height=h, width=w))
        for j, (x, y, *size, label) in enumerate(picture.boxes):
            annotation = dict(id=10 * i + j + 1, image_id=i, bbox=[x, y, *size])
            annotation.update(area=size[0] * size[1], iscrowd=int(j == 3))
            annotation['category_id'] = 2 * (label % len(names)) + 1
            coco['annotations'].append(annotation)
    Path(dataset.ann_file).write_text(json.dumps(coco))


def write_xml(dataset: Any, images: list[Picture]) -> None:
    """Write a VOC annotation of each image; its last box is difficult."""
    names = dataset.metainfo['classes']
    root = Path(dataset.sub_data_root)
    for folder in ('JPEGImages', 'Annotations'):
        (root / folder).mkdir(exist_ok=True)
    for i, picture in enumerate(images):
        cv2.imwrite(str(root / f'JPEGImages/{i}.jpg'), picture.image)
        h, w = picture.image.shape[:2]
        tree = ElementTree.XML(f'<a><size><width>{w}</width><height>{h}</height></size></a>')
        for j, (x, y, width, height, label) in enumerate(picture.boxes):
            corners = dict(xmin=x + 1, ymin=y + 1, xmax=x + width, ymax=y + height)
            box = ''.join(f'<{key}>{value}</{key}>' for key, value in corners.items())
            name = f'<name>{names[label % len(names)]}</name><difficult>{int(j == 3)}</difficult>'
            tree.append(ElementTree.XML(f'<object>{name}<bndbox>{box}</bndbox></object>'))
        (root / f'Annotations/{i}.xml').write_bytes(ElementTree.tostring(tree))
    Path(dataset.ann_file).write_text(''.join(f'{i}\n' for i in range(len(images))))


def write_masks(dataset: Any, images: list[Picture]) -> None:
    """Write masks: boxes in a frame that is ignored; without a list of files, in a subfolder."""
    number = len(dataset.metainfo['classes'])
    names = [f'{"" if dataset.ann_file else "town/"}{i}' for i in range(len(images))]
    for name, picture in zip(names, images, strict=True):
        mask = np.zeros(picture.image.shape[:2], np.uint8)
        for x, y, w, h, label in picture.boxes:
            mask[y : y + h, x : x + w] = dataset.ignore_index
            mask[y + 1 : y + h - 1, x + 1 : x + w - 1] = label % number
        image = Path(dataset.data_prefix['img_path'], f'{name}{dataset.img_suffix}')
        labels = Path(dataset.data_prefix['seg_map_path'], f'{name}{dataset.seg_map_suffix}')
        for path in (image, labels):
            path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(image), picture.image)
        palette = Image.fromarray(mask)
        palette.putpalette(list(range(256)) * 3)  # VOC's masks are colour-mapped files
        palette.save(labels)
    if dataset.ann_file:
        Path(dataset.ann_file).write_text('\n'.join(names))


WRITERS = {CocoDataset: write_coco, XMLDataset: write_xml, BaseSegDataset: write_masks}


def leaves(dataset: Any) -> Iterator[Any]:
    """The configs of the data sets inside of wrappers."""
    inner = dataset.get('datasets') or ([dataset.dataset] if 'dataset' in dataset else [])
    for one in inner:
        yield from leaves(one)
    if not inner:
        yield dataset


def write(dataset: Any, **options: Any) -> None:
    """Write the photographs where a data set's config looks for its images."""
    root = Path(dataset.data_root)
    for folder in (*dataset.data_prefix.values(), Path(dataset.get('ann_file', '')).parent):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if dataset.get('ann_file'):
        (root / dataset.ann_file).touch()
    empty = DATASETS.build({**dataset, **options, 'pipeline': [], 'lazy_init': True})
    (writer,) = (w for kind, w in WRITERS.items() if isinstance(empty, kind))
    writer(empty, pictures())
