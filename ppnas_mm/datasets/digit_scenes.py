"""Digit scenes: real handwritten digits on textured canvases, for detection and segmentation.

The 1,797 digits of scikit-learn are split as in :class:`.digits.Digits`: training and test scenes
share no digit, and a backbone trained on the digits has not seen those of the test scenes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from ..utils.files import write_atomic
from .digits import load_split

CLASSES = tuple('0123456789')
SIDES = (18, 48)  # of a digit's 8x8 cells, in pixels
SPLITS = {'train': 'train', 'test': 'val'}  # ours -> the libraries' name
INK = 96  # grey value from which a pixel of an upsampled digit belongs to its stroke


@dataclass
class Scene:
    """One image with its annotations.

    Attributes:
        image: (size, size, 3) uint8, BGR.
        mask: (size, size) uint8; 0 is background, 1 + c a stroke of digit c.
        boxes: (x, y, width, height) of each digit's stroke, in whole pixels.
        labels: The digits.
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: list[tuple[int, int, int, int]]
    labels: list[int]


def _texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Smooth colour clouds with stripes and grain, in the darker half of the range."""
    canvas: np.ndarray = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((3, 40), (10, 20), (40, 10)):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        canvas += strength * cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(4, 20)
    y, x = np.mgrid[:size, :size]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / pitch)
    stripes = rng.uniform(0, 18) * wave[..., None]
    grain = rng.normal(scale=5, size=canvas.shape)
    return np.clip(canvas + stripes + grain + rng.uniform(50, 100, 3), 0, 150).astype(np.float32)


def _place(
    rng: np.random.Generator, scene: Scene, canvas: np.ndarray, digit: np.ndarray, label: int
) -> None:
    """Draw one digit where it overlaps no other, or nowhere after 20 tries."""
    height, width = canvas.shape[:2]
    side = np.exp(rng.uniform(*np.log(SIDES)))
    h, w = (int(side * factor) for factor in rng.uniform(0.85, 1.0, 2))
    grey = cv2.resize(digit, (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    ink = grey > INK
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    for _ in range(20):
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        box = (
            x + int(columns[0]),
            y + int(rows[0]),
            int(np.ptp(columns)) + 1,
            int(np.ptp(rows)) + 1,
        )
        around = scene.mask[max(0, box[1] - 2) : box[1] + box[3] + 2]
        if around[:, max(0, box[0] - 2) : box[0] + box[2] + 2].any():
            continue
        colour = rng.uniform(170, 255, 3)
        alpha = (grey / 255)[..., None]
        window = canvas[y : y + h, x : x + w]
        window += alpha * (colour - window)
        scene.mask[y : y + h, x : x + w][ink] = label + 1
        scene.boxes.append(box)
        scene.labels.append(label)
        return


def _check(number: int, seed: int, size: int) -> None:
    if number < 1 or size < 80 or seed < 0:
        raise ValueError(
            f'number={number}, size={size}, seed={seed}: expected >= 1, >= 80 and >= 0'
        )


def make_scenes(split: str, number: int, seed: int = 0, size: int = 160) -> Iterator[Scene]:
    """Yield ``number`` scenes of up to twelve digits each.

    Args:
        split: ``'train'`` or ``'test'``: which digits are used.
        number: Number of scenes.
        seed: Seed; scene i depends only on (seed, split, i).
        size: Image size in pixels, 80 or more.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check(number, seed, size)
    digits, labels = load_split(split)
    for i in range(number):
        rng = np.random.default_rng((seed, list(SPLITS).index(split), i))
        canvas = _texture(rng, size)
        scene = Scene(canvas, np.zeros((size, size), np.uint8), [], [])
        for k in rng.integers(0, len(digits), int(rng.integers(6, 13))):
            _place(rng, scene, canvas, digits[k].astype(np.float32), int(labels[k]))
        scene.image = canvas.clip(0, 255).astype(np.uint8)
        yield scene


def _voc_xml(name: str, scene: Scene) -> bytes:
    height, width = scene.mask.shape
    root = ElementTree.Element('annotation')
    ElementTree.SubElement(root, 'filename').text = f'{name}.jpg'
    size = ElementTree.SubElement(root, 'size')
    for key, value in (('width', width), ('height', height), ('depth', 3)):
        ElementTree.SubElement(size, key).text = str(value)
    for (x, y, w, h), label in zip(scene.boxes, scene.labels, strict=True):
        item = ElementTree.SubElement(root, 'object')
        ElementTree.SubElement(item, 'name').text = CLASSES[label]
        ElementTree.SubElement(item, 'difficult').text = '0'
        box = ElementTree.SubElement(item, 'bndbox')
        # VOC counts pixels from 1 and includes the last
        for key, value in (('xmin', x + 1), ('ymin', y + 1), ('xmax', x + w), ('ymax', y + h)):
            ElementTree.SubElement(box, key).text = str(value)
    ElementTree.indent(root)
    return ElementTree.tostring(root)


def _encode(array: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, array, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def write_scenes(out: str | Path, counts: dict[str, int], seed: int = 0, size: int = 160) -> None:
    """Write scenes as a VOC, a COCO and a Cityscapes data set; same arguments, same bytes.

    ``out`` gets ``voc/`` (``JPEGImages``, ``Annotations``, ``SegmentationClass``, ``ImageSets``),
    ``coco/`` (``annotations/instances_{train,val}.json``; its images are those of ``voc/``) and
    ``cityscapes/`` (``leftImg8bit``, ``gtFine`` with train ids); ``digit_scenes.json`` has the
    arguments and marks the folder as one that may be overwritten.

    Args:
        out: Folder; created if missing.
        counts: Scenes of each split, ``{'train': 400, 'test': 100}``.
        seed: See :func:`make_scenes`.
        size: See :func:`make_scenes`.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If ``out`` contains anything but an earlier data set of this kind.
    """
    for number in counts.values():
        _check(number, seed, size)
    root = Path(out)
    mark = root / 'digit_scenes.json'
    if root.exists() and any(root.iterdir()) and not mark.is_file():
        raise FileExistsError(f'{root} contains other files; give a new or empty folder')
    about = dict(counts, seed=seed, size=size)
    for kind in ('voc', 'coco', 'cityscapes'):  # a smaller set leaves nothing of a larger one
        shutil.rmtree(root / kind, ignore_errors=True)
    write_atomic(mark, json.dumps(about).encode())
    for split, number in counts.items():
        name = SPLITS[split]
        ids = []
        coco: dict[str, list] = dict(
            images=[],
            annotations=[],
            categories=[dict(id=i + 1, name=c) for i, c in enumerate(CLASSES)],
        )
        for i, scene in enumerate(make_scenes(split, number, seed, size)):
            ids.append(f'{name}_{i:05d}')
            _write_scene(root, name, ids[-1], scene, coco)
        lists = ''.join(f'{i}\n' for i in ids).encode()
        for kind in ('Main', 'Segmentation'):
            write_atomic(_file(root, f'voc/ImageSets/{kind}/{name}.txt'), lists)
        text = json.dumps(coco, sort_keys=True)
        write_atomic(_file(root, f'coco/annotations/instances_{name}.json'), text.encode())


def _file(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_scene(root: Path, split: str, name: str, scene: Scene, coco: dict[str, list]) -> None:
    mask, jpeg = _encode(scene.mask, '.png'), _encode(scene.image, '.jpg')
    files = {
        f'voc/JPEGImages/{name}.jpg': jpeg,
        f'voc/Annotations/{name}.xml': _voc_xml(name, scene),
        f'voc/SegmentationClass/{name}.png': mask,
        f'cityscapes/leftImg8bit/{split}/digits/{name}_leftImg8bit.png': _encode(
            scene.image, '.png'
        ),
        f'cityscapes/gtFine/{split}/digits/{name}_gtFine_labelTrainIds.png': mask,
    }
    for path, content in files.items():
        _file(root, path).write_bytes(content)
    height, width = scene.mask.shape
    number = len(coco['images'])
    coco['images'].append(dict(id=number, file_name=f'{name}.jpg', height=height, width=width))
    for box, label in zip(scene.boxes, scene.labels, strict=True):
        coco['annotations'].append(
            dict(
                id=len(coco['annotations']) + 1,  # to pycocotools, 0 means no match
                image_id=number,
                category_id=label + 1,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=0,
            )
        )
