"""Two disjoint, class-balanced halves of a training set for bilevel search."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..utils.registries import DATASETS
from .wrapped import places, select

HALVES = ('train', 'val')


def half_indices(
    labels: np.ndarray,
    half: str,
    fraction: float = 1.0,
    seed: int = 0,
    val_share: float = 0.5,
) -> list[int]:
    """Return the sorted indices of one half of a set.

    Each class is shuffled by ``seed`` and dealt out in turn. So each class is split in the given
    ratio, up to one item, and so is the whole set.

    Args:
        labels: Class of each item, ``(N,)``.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the set that is used, the same for each class.
        seed: Seed of the shuffle.
        val_share: Share of the used items that goes to ``'val'``.

    Raises:
        ValueError: If an argument is out of range or a half would be empty.
    """
    if half not in HALVES or not 0 < fraction <= 1 or not 0 < val_share < 1:
        raise ValueError(
            f'half={half!r}, fraction={fraction}, val_share={val_share}: expected one of {HALVES}, '
            '0 to 1'
        )
    rng = np.random.default_rng(seed)
    dealt: list[int] = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        dealt += members[: max(1, round(fraction * len(members)))].tolist()
    turns = np.floor(np.arange(len(dealt) + 1) * val_share)
    mine = np.diff(turns) == HALVES.index(half)
    chosen = np.sort(np.array(dealt)[mine]).tolist()
    if not chosen:
        raise ValueError(f'half={half!r}: {len(labels)} items leave an empty half')
    return chosen


@DATASETS.register_module()
def Half(  # noqa: N802  (stands where a class of a data set stands)
    dataset: dict[str, Any],
    half: str,
    fraction: float = 1.0,
    seed: int = 0,
    val_share: float = 0.5,
) -> Any:
    """Build one half of a data set; see :func:`half_indices`.

    It splits images, not items: all repeats of an image are in the same half.  An image with
    several labels counts for its rarest one; sets without image labels (detection, segmentation)
    are split at random.  Sets in wrappers: see :func:`select`.

    Args:
        dataset: Config of the whole set.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the images that is used.
        seed: Seed of the split; the same for both halves.
        val_share: Share of what is used that is dealt to ``'val'``.

    Raises:
        ValueError: If a half would be empty, or a wrapper does not tell which images it repeats.
    """
    whole = DATASETS.build(dataset)
    if hasattr(whole, 'full_init'):
        whole.full_init()
    images: dict[Any, list[int]] = {}
    labels: list[tuple] = []
    for number, (leaf, index) in enumerate(places(whole)):
        info = leaf.get_data_info(index) if hasattr(leaf, 'get_data_info') else {}
        labels.append(_labels(info))
        images.setdefault(_image(info) or (id(leaf), index), []).append(number)
    # if all items show one image, there is nothing to keep apart
    items = (
        list(images.values()) if len(images) > 1 else [[number] for number in range(len(labels))]
    )
    classes = rarest([labels[numbers[0]] for numbers in items])
    chosen = half_indices(classes, half, fraction, seed, val_share)
    return select(whole, sorted(number for i in chosen for number in items[i]))


def _image(info: Mapping[str, Any]) -> Any:
    """Return what identifies the image of an item: its path, or its content in memory."""
    path, image = info.get('img_path'), info.get('img')
    if isinstance(path, (str, os.PathLike)):
        return str(path) if '://' in str(path) else os.path.abspath(path)
    if isinstance(image, np.ndarray):
        return image.shape, hashlib.sha256(image.tobytes()).digest()
    return None


def _labels(info: Mapping[str, Any]) -> tuple:
    """Return the image labels of an item: none, one or several."""
    label = info.get('gt_label')
    return () if label is None or isinstance(label, Mapping) else tuple(np.ravel(label).tolist())


def rarest(labels: Sequence[tuple]) -> np.ndarray:
    """Return the class of each image for a balanced split: its rarest label, -1 if it has none.

    Args:
        labels: The labels of each image.
    """
    count = Counter(label for of_image in labels for label in set(of_image))
    order = {label: place for place, label in enumerate(sorted(count))}
    return np.array(
        [
            order[min(of_image, key=lambda label: (count[label], order[label]))] if of_image else -1
            for of_image in labels
        ],
        dtype=np.int64,
    )
