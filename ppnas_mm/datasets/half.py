"""Two disjoint, class-balanced halves of a training set for bilevel search."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..registry import DATASETS

HALVES = ('train', 'val')


def half_indices(labels: np.ndarray, half: str, fraction: float = 1.0, seed: int = 0) -> list[int]:
    """Return the sorted indices of one half of a set.

    Each class is shuffled by ``seed`` and dealt out in turn, so a class has in both halves the same
    number of items, or one more or less, and so have the halves.

    Args:
        labels: Class of each item, ``(N,)``.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the set that is used at all, the same of each class.
        seed: Seed of the shuffle.

    Raises:
        ValueError: If an argument is out of range or a half would be empty.
    """
    if half not in HALVES or not 0 < fraction <= 1:
        raise ValueError(f'half={half!r}, fraction={fraction}: expected one of {HALVES}, 0 to 1')
    rng = np.random.default_rng(seed)
    dealt: list[int] = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        dealt += members[: max(1, round(fraction * len(members)))].tolist()
    chosen = sorted(dealt[HALVES.index(half) :: 2])
    if not chosen:
        raise ValueError(f'half={half!r}: {len(labels)} items leave an empty half')
    return chosen


@DATASETS.register_module()
def Half(  # noqa: N802  (stands where a class of a data set stands)
    dataset: dict[str, Any], half: str, fraction: float = 1.0, seed: int = 0
) -> Any:
    """Build one half of a data set; see :func:`half_indices`.

    Sets without image labels (detection, segmentation) are cut in two at random.

    Args:
        dataset: Config of the whole set.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the set that is used at all.
        seed: Seed of the cut; the same in both halves.
    """
    whole = DATASETS.build(dataset)
    whole.full_init()
    try:
        labels = np.asarray(whole.get_gt_labels())
    except (AttributeError, KeyError):
        labels = np.zeros(len(whole), dtype=np.int64)
    return whole.get_subset(half_indices(labels, half, fraction, seed))
