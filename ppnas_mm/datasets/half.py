"""Two disjoint, class-balanced halves of a training set for bilevel search."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..registry import DATASETS

HALVES = ('train', 'val')


def half_indices(
    labels: np.ndarray,
    half: str,
    fraction: float = 1.0,
    seed: int = 0,
    val_share: float = 0.5,
) -> list[int]:
    """Return the sorted indices of one half of a set.

    Each class is shuffled by ``seed`` and dealt out in turn, so a class has its share of both
    halves, but for one item more or less, and so have the halves of the whole.

    Args:
        labels: Class of each item, ``(N,)``.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the set that is used at all, the same of each class.
        seed: Seed of the shuffle.
        val_share: Share of what is used that is dealt to ``'val'``.

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

    Sets without image labels (detection, segmentation) are cut in two at random.

    Args:
        dataset: Config of the whole set.
        half: ``'train'`` or ``'val'``.
        fraction: Share of the set that is used at all.
        seed: Seed of the cut; the same in both halves.
        val_share: Share of what is used that is dealt to ``'val'``.
    """
    whole = DATASETS.build(dataset)
    whole.full_init()
    try:
        labels = np.asarray(whole.get_gt_labels())
    except (AttributeError, KeyError):
        labels = np.zeros(len(whole), dtype=np.int64)
    return whole.get_subset(half_indices(labels, half, fraction, seed, val_share))
